// Create SVG elements. document.createElement only creates HTML elements.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Create an SVG element.
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string|number>} [attributes]
 * @returns {SVGElementTagNameMap[Name]}
 */
export function draw(name, attributes = {}) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
