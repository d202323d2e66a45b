"use strict";
// The difference of the two rows that are picked, read from the table of all pairs on this page.
(() => {
  const box = document.getElementById("pick-rows");
  const [first, second] = box.querySelectorAll("select");
  const table = document.getElementById("table-pairs");
  const notes = table.closest("details").querySelectorAll(".notes li");
  const key = (one, other) => JSON.stringify([one, other]);
  const differences = new Map([...table.querySelectorAll("tbody tr")].map(
    ({ cells: [one, other, difference] }) => [key(one.textContent, other.textContent), difference]));

  // `+0.012` becomes `−0.012`. Zero has no sign.
  const negated = text => text.replace(/^[+−]/, sign => (sign === "+" ? "−" : "+"));
  const negatedInterval = text =>
    text && `[${text.slice(1, -1).split(", ").reverse().map(negated).join(", ")}]`;

  const noteOf = cell => {
    const mark = cell.querySelector("sup");
    return mark ? notes[Number(mark.textContent) - 1].textContent : "";
  };

  const described = (cell, turned) => {
    const value = cell.querySelector(".value");
    if (!value) return `undefined (${cell.title})`;
    const number = value.firstChild.textContent, interval = cell.querySelector(".interval").textContent;
    const shown = turned ? [negated(number), negatedInterval(interval)] : [number, interval];
    const note = noteOf(cell);
    return `${shown.filter(Boolean).join(" ")} (${cell.title}${note && `; ${note}`})`;
  };

  const show = () => {
    const [one, other] = [first.value, second.value];
    const straight = differences.get(key(one, other)), turned = differences.get(key(other, one));
    document.getElementById("picked").textContent = straight || turned
      ? `${one} minus ${other}: ${described(straight || turned, !straight)}`
      : "Pick two different rows.";
  };

  first.addEventListener("change", show);
  second.addEventListener("change", show);
  box.hidden = false;
  show();
})();
