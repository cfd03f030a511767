// The words for "active" and "inactive" that the page understands when a cell is pasted. They are those of an import
// (importer/columns/active_words.json).

const ACTIVE = `true t yes y on 1 1.0 1,0 active enabled published visible available ja wahr aktiv oui vrai actif sí si
  verdadero activo sì vero attivo waar actief sim verdadeiro ativo sant tak prawda aktywny はい 有効 公開`;
const INACTIVE = `false f no n off 0 0.0 0,0 inactive disabled unpublished hidden draft archived -1 nein falsch inaktiv
  non faux inactif falso inactivo inattivo nee onwaar inactief não nao inativo nej falskt nie fałsz nieaktywny いいえ 無効
  非公開`;

/** @type {Map<string, boolean>} */
const WORDS = new Map([
  ...ACTIVE.split(/\s+/).map((word) => /** @type {const} */ ([word, true])),
  ...INACTIVE.split(/\s+/).map((word) => /** @type {const} */ ([word, false])),
]);

/**
 * @param {string} text
 * @returns {boolean | undefined} undefined if it is neither a word for "active" nor one for "inactive"
 */
export const readActive = (text) => WORDS.get(text.trim().toLowerCase());
