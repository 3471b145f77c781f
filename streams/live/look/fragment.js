// HTML that changes in place: what stays the same stays the same node, so a refresh takes neither
// the focus nor the place of a scrolled list, and a screen reader hears only what is new.
// Children with data-key are found again wherever they moved.
function patch(node, fresh) {
  if (node.nodeType !== Node.ELEMENT_NODE) {
    if (node.nodeValue !== fresh.nodeValue) node.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...node.attributes])
    if (!fresh.hasAttribute(name) && name !== "open") node.removeAttribute(name);
  for (const { name, value } of fresh.attributes)
    if (node.getAttribute(name) !== value && name !== "open") node.setAttribute(name, value);
  morph(node, fresh);
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset.key : undefined;
}

function morph(parent, fresh) {
  const kept = new Map();
  for (const child of parent.children) if (child.dataset.key) kept.set(child.dataset.key, child);
  let at = parent.firstChild;
  for (const node of [...fresh.childNodes]) {
    const key = keyOf(node);
    let same = key ? kept.get(key) : at;
    if (same && (same.nodeName !== node.nodeName || keyOf(same) !== key)) same = undefined;
    if (!same) {
      parent.insertBefore(node, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else parent.insertBefore(same, at);
    patch(same, node);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

export default {
  template: "<component :is='tag'></component>",
  props: { markup: String, tag: String },
  mounted() {
    this.draw();
  },
  watch: {
    markup() {
      this.draw();
    },
  },
  methods: {
    draw() {
      const made = document.createElement("template");
      made.innerHTML = this.markup;
      morph(this.$el, made.content);
    },
  },
};
