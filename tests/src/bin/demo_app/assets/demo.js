// Fills the timing table from the Server-Timing header of this very page. The browser gives it to secure contexts only
// (HTTPS, or a loopback address).
const labels = {
  verify: "Verify the cookie",
  cache: "Verified-token cache",
  origin: "Calls to the origin",
  upstream: "This application",
  total: "The edge, in total",
};
const body = document.getElementById("server-timing");
const timings = performance.getEntriesByType("navigation")[0]?.serverTiming ?? [];

const cell = (text, className) => {
  const td = document.createElement("td");
  td.textContent = text;
  if (className) td.className = className;
  return td;
};

if (timings.length > 0) {
  body.replaceChildren(
    ...timings.map(({ name, duration, description }) => {
      const row = document.createElement("tr");
      // A metric without `dur` reads as 0; its remark says what it is.
      const took = duration > 0 || !description ? `${duration.toFixed(2)} ms` : "–";
      row.append(cell(labels[name] ?? name), cell(took, "number"), cell(description));
      return row;
    }),
  );
} else {
  const row = document.createElement("tr");
  const note = cell("This page came without a Server-Timing header that the browser lets scripts read.", "quiet");
  note.colSpan = 3;
  row.append(note);
  body.replaceChildren(row);
}

document.getElementById("site").textContent = location.origin;
