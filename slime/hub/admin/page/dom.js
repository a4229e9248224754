// The little that is needed of a framework. Whatever comes from the hub is set as text, never as markup.

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** A new element with a class and children; strings become text. */
export function element(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** Set an element's text, if it is another one: what has not changed keeps its selection. */
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Set or, with null, remove an attribute. */
export function mark(target, name, value) {
  if (value === null) target.removeAttribute(name);
  else if (target.getAttribute(name) !== String(value)) target.setAttribute(name, value);
}

/**
 * Make a parent's children those that the items stand for, reusing the elements of items seen before, so that
 * neither focus nor selection is lost.
 */
export class Keyed {
  constructor(parent, key, make) {
    this.parent = parent;
    this.key = key;
    this.make = make;
    this.rows = new Map();
  }

  show(items) {
    const before = this.rows;
    this.rows = new Map();
    let place = this.parent.firstChild;
    for (const item of items) {
      const key = this.key(item);
      const row = before.get(key) ?? this.make(item);
      before.delete(key);
      this.rows.set(key, row);
      row.update(item);
      if (row.root === place) place = place.nextSibling;
      else this.parent.insertBefore(row.root, place);
    }
    for (const row of before.values()) row.root.remove();
  }
}
