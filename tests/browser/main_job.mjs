// A person's way through Countersign, in a real browser: open a page, log in, come back to it, copy the cookie, log
// out, see the copy refused. Once with JavaScript and once without. Prints one JSON object; exits 1 at the first
// surprise.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { chromium } from "playwright-core";

const { BASE, CHROMIUM, COOKIE_NAME, USERNAME, PASSWORD, BOUND_MS, SCREENSHOTS } = process.env;

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const report = {};
try {
  for (const javaScriptEnabled of [true, false]) {
    report[javaScriptEnabled ? "with_javascript" : "without_javascript"] = await walk(javaScriptEnabled);
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(report));

async function walk(javaScriptEnabled) {
  const context = await browser.newContext({ javaScriptEnabled, viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    // A 401 page is an answer here, not a fault of the page.
    if (message.type() === "error" && !message.text().includes("401")) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  const shot = async (name) => {
    if (!SCREENSHOTS || !javaScriptEnabled) return;
    await mkdir(SCREENSHOTS, { recursive: true });
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 800 });
      await page.screenshot({ path: `${SCREENSHOTS}/${name}-${width}.png`, fullPage: true });
    }
    await page.setViewportSize({ width: 1280, height: 800 });
  };

  await page.goto(`${BASE}/reports/today?part=2`);
  assert.equal(new URL(page.url()).pathname, "/am/UI/Login", "sent to the login page");
  const username = page.locator("input[autocomplete~=username]");
  const password = page.locator("input[autocomplete=current-password]");
  assert.equal(await password.getAttribute("type"), "password");
  await shot("login");

  await username.fill(USERNAME);
  await password.fill("wrong");
  await password.press("Enter");
  const alert = page.getByRole("alert");
  await alert.waitFor();
  assert.ok((await alert.textContent()).trim().length > 0, "the error is shown");
  assert.equal(await username.inputValue(), USERNAME, "the user name is kept");
  assert.equal(await password.inputValue(), "", "the password is not");
  assert.equal((await context.cookies()).filter(({ name }) => name === COOKIE_NAME).length, 0, "no session yet");
  await shot("login-error");

  await password.fill(PASSWORD);
  await password.press("Enter");
  await page.waitForURL(`${BASE}/reports/today?part=2`);
  const shown = await page.textContent("body");
  assert.ok(shown.includes(USERNAME), "the page says who the edge says they are");
  await shot("page");
  if (javaScriptEnabled) {
    await page.reload();
    const timing = await page.evaluate(() =>
      performance.getEntriesByType("navigation")[0].serverTiming.map(({ name, description }) => [name, description]));
    assert.equal(Object.fromEntries(timing).origin, "0 calls", "nothing on the way through called the origin");
    const readable = await page.evaluate(() => document.cookie);
    assert.ok(!readable.includes(COOKIE_NAME), "HttpOnly: scripts do not see the session");
  }

  const session = (await context.cookies()).find(({ name }) => name === COOKIE_NAME);
  assert.ok(session?.httpOnly, "the session cookie is HttpOnly");
  const headers = { cookie: `${COOKIE_NAME}=${session.value}` };
  const replay = () => fetch(`${BASE}/reports/today`, { headers, redirect: "manual" });
  assert.equal((await replay()).status, 200, "the copied cookie works before the logout");

  // A login page for somebody who is logged in sends them on.
  await page.goto(`${BASE}/am/UI/Login?realm=/alpha&goto=/public/`);
  assert.equal(new URL(page.url()).pathname, "/public/");
  await shot("public");

  await page.goto(`${BASE}/`);
  await page.getByRole("button", { name: /log out|sign out/i }).first().click();
  await page.waitForURL(/\/am\/UI\/Login/);
  assert.ok((await page.textContent("body")).includes("signed out"), "the login page says so");
  assert.equal((await context.cookies()).filter(({ name }) => name === COOKIE_NAME).length, 0, "the cookie is gone");
  await shot("signed-out");

  const start = performance.now();
  let status;
  do {
    status = (await replay()).status;
    assert.ok(performance.now() - start < Number(BOUND_MS), `the copied cookie still works after ${BOUND_MS} ms`);
  } while (status !== 401);
  const refusedAfter = Math.round(performance.now() - start);
  await context.addCookies([session]);
  await page.goto(`${BASE}/reports/today`);
  assert.equal(new URL(page.url()).pathname, "/am/UI/Login", "and a browser that has it is sent to the login page");
  assert.deepEqual(complaints, [], "the browser has nothing to complain of (content security policy, script errors)");
  await context.close();
  return { refused_after_ms: refusedAfter };
}
