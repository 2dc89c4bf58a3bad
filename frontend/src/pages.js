// What scripts share: do something for each element of a kind, now and whenever a part of the page is exchanged.
export const token = () => document.body.dataset.token ?? "";

export const each = (selector, act) => {
  const seen = new WeakSet();
  const look = (within) => {
    const found = within.matches?.(selector) ? [within, ...within.querySelectorAll(selector)] : within.querySelectorAll(selector);
    for (const one of found) {
      if (!seen.has(one)) {
        seen.add(one);
        act(one);
      }
    }
  };
  const begin = () => {
    look(document.body);
    new MutationObserver((changes) => {
      for (const change of changes) for (const node of change.addedNodes) if (node.nodeType === 1) look(node);
    }).observe(document.body, { childList: true, subtree: true });
  };
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", begin) : begin();
};
