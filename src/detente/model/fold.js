// Folds and unfolds drawn trees. The numbers of a picture, by node in the order drawn (parents first): parent, leaf,
// column, first (shown at first), below (complete histories below), reach (probability, or null for all), half (half the
// width of the step to it), y and stubY (heights as drawn); by column: label, box, right (where labels and boxes begin,
// and boxes end), lanes; and once: boxHalf, top, bottom.
(() => {
  const percent = (share) => {
    if (share <= 0) return "0\u00a0%";
    if (share >= 1 - 1e-9) return "100\u00a0%";
    if (share < 0.001) return "<0.1\u00a0%";
    if (share > 0.999) return ">99.9\u00a0%";
    return `${(100 * share).toFixed(share < 0.0995 || share > 0.99 ? 1 : 0)}\u00a0%`;
  };
  const number = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");

  function live(svg) {
    const d = JSON.parse(svg.dataset.fold);
    const nodes = d.parent.map((_, i) => i);
    const children = nodes.map(() => []);
    for (const i of nodes) if (i) children[d.parent[i]].push(i);
    const parts = (name) => {
      const found = nodes.map(() => []);
      for (const part of svg.querySelectorAll(`[data-${name}]`)) found[Number(part.getAttribute(`data-${name}`))].push(part);
      return found;
    };
    const [at, box, step, rest, restLine] = ["at", "box", "step", "rest", "rest-line"].map(parts);
    const one = (name) => svg.querySelector(`[data-${name}]`);
    const [tree, foot, hint, paper] = [one("tree"), one("foot"), one("hint"), svg.querySelector(".dt-bg")];
    const [heads, covers, links] = ["head", "cover", "link"].map((name) => [...svg.querySelectorAll(`[data-${name}]`)]);
    const [height, treeY] = [svg.viewBox.baseVal.height, Number(tree.getAttribute("transform").match(/,(-?[\d.]+)/)[1])];
    const width = svg.viewBox.baseVal.width;
    // What is open at each node: the children that are shown of it.
    const atFirst = children.map((below) => below.filter((i) => d.first[i]));
    const open = atFirst.map((below) => [...below]);

    function visible() {
      const seen = [0];
      for (let k = 0; k < seen.length; k += 1) seen.push(...open[seen[k]]);
      return seen.sort((a, b) => a - b);
    }

    // What is not shown at a node: complete histories, and their probability.
    function hidden(i) {
      const count = open[i].reduce((left, child) => left - d.below[child], d.below[i]);
      return { count, share: d.reach && open[i].reduce((left, child) => left - d.reach[child], d.reach[i]) };
    }

    // As in draw_layout.py: every subtree keeps the room that it takes in each upright zone; siblings are pushed together.
    function place(seen) {
      const folded = (i) => !d.leaf[i] && hidden(i).count > 0;
      const last = 2 * Math.max(...seen.map((i) => d.column[i] + (folded(i) ? 1 : 0)));
      const [offset, stubOffset, extent] = [{}, {}, {}];
      for (const i of [...seen].reverse()) {
        const below = new Map();
        const tops = [];
        for (const child of [...open[i], ...(folded(i) ? [-1] : [])]) {
          const room = child < 0 ? new Map([[2 * d.column[i] + 1, [-9, 9]]]) : extent[child];
          let shift = -Infinity;
          for (const [zone, [top]] of room) if (below.has(zone)) shift = Math.max(shift, below.get(zone)[1] - top);
          if (shift === -Infinity) shift = 0;
          for (const [zone, [top, bottom]] of room) {
            const above = below.get(zone) || [top + shift, bottom + shift];
            below.set(zone, [Math.min(above[0], top + shift), Math.max(above[1], bottom + shift)]);
          }
          tops.push([child, shift]);
        }
        const real = tops.filter(([child]) => child >= 0);
        const anchors = (real.length ? real : tops.length ? tops : [[0, 0]]).map(([, y]) => y);
        const middle = (anchors[0] + anchors[anchors.length - 1]) / 2;
        for (const [child, y] of tops) (child < 0 ? stubOffset : offset)[child < 0 ? i : child] = y - middle;
        const room = new Map([...below].map(([zone, [top, bottom]]) => [zone, [top - middle, bottom - middle]]));
        const own = 2 * d.column[i];
        if (d.leaf[i]) {
          for (let zone = own; zone <= last; zone += 1) room.set(zone, [-4, 4]);
          room.set(last + 1, [-9, 9]);
        } else room.set(own, [-d.boxHalf, d.boxHalf]);
        if (i) {
          const label = 2 * d.column[d.parent[i]] + 1;
          for (let zone = label + 1; zone < own; zone += 1) room.set(zone, [-d.half[i] - 4, d.half[i] + 4]);
          room.set(label, [-d.half[i] - 17, d.half[i] + 4]);
        }
        extent[i] = room;
      }
      const y = { 0: 0 };
      for (const i of seen) if (i) y[i] = y[d.parent[i]] + offset[i];
      const stubY = {};
      for (const i of seen) if (folded(i)) stubY[i] = y[i] + stubOffset[i];
      const rooms = [...extent[0].values()];
      return { y, stubY, top: Math.min(...rooms.map((r) => r[0])), bottom: Math.max(...rooms.map((r) => r[1])) };
    }

    function curve(x0, y0, x1, y1, end, lanes) {
      if (Math.abs(y0 - y1) < 0.05) return `M${x0} ${y1}H${end}`;
      const bend = x0 + lanes;
      const mid = (bend + x1) / 2;
      return `M${x0} ${y0}H${bend}C${mid} ${y0} ${mid} ${y1} ${x1} ${y1}H${end}`;
    }

    const show = (part, there) => (there ? part.removeAttribute("display") : part.setAttribute("display", "none"));
    const move = (part, by) => part.setAttribute("transform", `translate(0,${by})`);

    function draw() {
      const seen = visible();
      const found = place(seen);
      const shown = new Set(seen);
      for (const i of nodes) {
        for (const part of [...at[i], ...box[i]]) {
          show(part, shown.has(i));
          if (shown.has(i)) move(part, found.y[i] - d.y[i]);
        }
        for (const part of step[i]) {
          show(part, shown.has(i));
          const from = d.column[d.parent[i]];
          const [x0, x1, end] = [d.right[from], d.label[from + 1], d.box[d.column[i]] + 2];
          if (shown.has(i)) part.setAttribute("d", curve(x0, found.y[d.parent[i]], x1, found.y[i], end, d.lanes[from]));
        }
        const stub = i in found.stubY;
        for (const part of restLine[i]) {
          show(part, stub);
          const [x0, x1] = [d.right[d.column[i]], d.label[d.column[i] + 1]];
          if (stub) part.setAttribute("d", curve(x0, found.y[i], x1, found.stubY[i], x1 + 5, 0));
        }
        for (const part of rest[i]) {
          show(part, stub);
          if (stub) write(part, i, found.stubY[i]);
        }
        for (const part of box[i]) part.setAttribute("aria-expanded", String(open[i].length > 0));
      }
      for (const part of links) show(part, seen.length === nodes.length);
      for (const part of heads) move(part, found.top - d.top);
      const grown = found.bottom - found.top - (d.bottom - d.top);
      move(tree, treeY + d.top - found.top);
      move(foot, grown);
      svg.setAttribute("viewBox", `0 0 ${width} ${height + grown}`);
      for (const part of [svg, paper]) part.setAttribute("height", height + grown);
      cover(seen);
    }

    function write(part, i, y) {
      const { count, share } = hidden(i);
      part.textContent = `… ${number(count)} more${share === null ? "" : `, ${percent(share)}`}`;
      move(part, y - d.stubY[i]);
      const more = open[i].length < children[i].length;
      if (more) button(part, `Show more after this: ${part.textContent}`);
      else for (const name of ["role", "tabindex", "aria-label"]) part.removeAttribute(name);
    }

    function cover(seen) {
      const ends = seen.filter((i) => d.leaf[i]);
      const share = d.reach ? `; they carry ${percent(ends.reduce((sum, i) => sum + d.reach[i], 0))} of the probability` : "";
      covers.forEach((part, k) => {
        part.textContent = k ? "" : `${number(ends.length)} of ${number(d.below[0])} complete histories are shown${share}.`;
      });
    }

    function button(part, label) {
      part.setAttribute("role", "button");
      part.setAttribute("tabindex", "0");
      if (label) part.setAttribute("aria-label", label);
    }

    function choose(target) {
      const stub = target.closest("[data-rest]");
      if (stub && stub.getAttribute("role")) {
        const i = Number(stub.dataset.rest);
        open[i] = [...children[i]];
        draw();
        if (!stub.getAttribute("role")) box[i].forEach((part) => part.focus());
        return true;
      }
      const chosen = target.closest("[data-box]");
      if (!chosen) return false;
      const i = Number(chosen.dataset.box);
      // What has been unfolded below a box comes back as it was at first.
      if (open[i].length) open[i] = [];
      else open[i] = atFirst[i].length ? [...atFirst[i]] : [...children[i]];
      draw();
      return true;
    }

    for (const i of nodes) {
      for (const part of box[i]) {
        if (!children[i].length) continue;
        button(part); // its name is its title
        part.setAttribute("aria-expanded", String(open[i].length > 0));
      }
      for (const part of rest[i]) {
        if (!part.hasAttribute("display") && open[i].length < children[i].length) button(part, `Show more after this: ${part.lastChild.textContent}`);
      }
    }
    hint.removeAttribute("display");
    svg.setAttribute("role", "group");
    svg.addEventListener("click", (event) => choose(event.target));
    svg.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      if (choose(event.target)) event.preventDefault();
    });
  }

  // A page may hold several pictures, each with this script.
  for (const svg of document.querySelectorAll("svg[data-fold]:not([data-live])")) {
    svg.dataset.live = "yes";
    live(svg);
  }
})();
