// Elements of SVG, which createElement does not make.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * @param {string} name of the element
 * @param {Record<string, string|number>} attributes
 * @returns {SVGElement}
 */
export function draw(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
