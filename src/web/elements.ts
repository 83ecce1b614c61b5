/** Small helpers for building the page; text is always set as text. */

export function element<K extends keyof HTMLElementTagNameMap>(tag: K, props: Partial<HTMLElementTagNameMap[K]>): HTMLElementTagNameMap[K] {
  return Object.assign(document.createElement(tag), props);
}

/** A control with its label and, below, what may stand in it. */
export function field(label: string, control: HTMLElement, hint?: string): HTMLElement {
  const box = element("div", { className: "field" });
  box.append(element("label", { htmlFor: control.id, textContent: label }), control);
  if (hint !== undefined) {
    const id = `${control.id}-hint`;
    control.setAttribute("aria-describedby", id);
    box.append(element("small", { id, textContent: hint }));
  }
  return box;
}
