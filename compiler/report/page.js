"use strict";
// The page can be read without this: it only sorts tables, and opens what a link leads to.
for (const th of document.querySelectorAll("table.sortable thead th")) {
	const button = document.createElement("button");
	button.type = "button";
	button.append(...th.childNodes);
	th.append(button);
	button.addEventListener("click", () => sortBy(th));
}

function key(row, column) {
	const cell = row.cells[column], value = cell.dataset.value;
	return value === undefined ? cell.textContent.trim() : value === "" ? NaN : Number(value);
}

function compare(a, b) {
	if (typeof a === "string")
		return a.localeCompare(b);
	return Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : Number.isNaN(b) ? -1 : a - b;
}

function sortBy(th) {
	const table = th.closest("table"), body = table.tBodies[0], column = th.cellIndex;
	const down = th.getAttribute("aria-sort") === "ascending";
	const rows = [...body.rows].sort((a, b) => compare(key(a, column), key(b, column)));
	for (const other of table.querySelectorAll("th"))
		other.removeAttribute("aria-sort");
	th.setAttribute("aria-sort", down ? "descending" : "ascending");
	body.append(...(down ? rows.reverse() : rows));
}

function reveal() {
	const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
	const details = target && target.closest("details");
	if (details && !details.open) {
		details.open = true;
		target.scrollIntoView();
	}
}
addEventListener("hashchange", reveal);
reveal();
addEventListener("beforeprint", () => {
	for (const details of document.querySelectorAll("details.few"))
		details.open = true;
});
