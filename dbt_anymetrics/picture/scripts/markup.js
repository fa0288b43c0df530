// HTML. Every value is escaped, so that no name and no message can become markup.

class Markup {
  constructor(text) {
    this.text = text;
  }
}

const ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"};

function escaped(value) {
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(escaped).join("");
  if (value === null || value === undefined || value === false) return "";
  return String(value).replace(/[&<>"']/g, (character) => ESCAPES[character]);
}

const html = (parts, ...values) => new Markup(String.raw({raw: parts}, ...values.map(escaped)));
const OPEN = new Markup("open");
const byId = (id) => document.getElementById(id);

// Give an element these children and keep every node that is right already: the focus, selected text, scroll positions
// and what is unfolded survive an update.
function morph(parent, markup) {
  const template = document.createElement("template");
  template.innerHTML = escaped(markup);
  morphChildren(parent, template.content);
}

function morphChildren(parent, wanted) {
  const keyOf = (node) => node?.dataset?.key;
  const keyed = new Map([...parent.children].filter(keyOf).map((child) => [keyOf(child), child]));
  const stay = new Set([...wanted.children].map(keyOf));
  for (const [key, child] of keyed) if (!stay.has(key)) child.remove();
  let at = parent.firstChild;
  for (const next of [...wanted.childNodes]) {
    const old = keyOf(next) ? keyed.get(keyOf(next)) : at;
    if (!old || old.nodeName !== next.nodeName || keyOf(old) !== keyOf(next)) {
      parent.insertBefore(next, at);
      continue;
    }
    if (old === at) at = at.nextSibling;
    else parent.insertBefore(old, at);
    if (!old.isEqualNode(next)) morphNode(old, next);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function morphNode(old, next) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.data = next.data;
    return;
  }
  for (const {name} of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const {name, value} of [...next.attributes]) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  morphChildren(old, next);
}
