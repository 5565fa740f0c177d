// Second factors in a real browser with a virtual authenticator: a security key is registered, used, used without a
// user name, refused, and replaced by a recovery code; likewise an app for one-time passwords. Prints one JSON object;
// exits 1 at the first surprise.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { chromium } from "playwright-core";

const { BASE, CHROMIUM, COOKIE_NAME, USERNAME, OTHER_USER, PASSWORD, EXPORTED } = process.env;

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const report = {};
try {
  report.security_key = await securityKey();
  report.one_time_password = await oneTimePassword();
  report.without_scripts = await withoutScripts();
  report.exported = EXPORTED ? await exported() : "skipped: there are no exports in ../shared/journeys";
} finally {
  await browser.close();
}
console.log(JSON.stringify(report));

async function open(options = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    // A 401 page is an answer here, not a fault of the page.
    if (message.type() === "error" && !message.text().includes("401")) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  const heading = () => page.locator("h1").textContent();
  const begin = (journey) => page.goto(`${BASE}/am/UI/Login?realm=/alpha&service=${journey}&goto=/public/&ForceAuth=true`);
  const login = async (journey, username = USERNAME) => {
    await begin(journey);
    await page.locator("input[autocomplete~=username]").fill(username);
    await page.locator("input[type=password]").fill(PASSWORD);
    await page.locator("input[type=password]").press("Enter");
  };
  const signedIn = async () => {
    await page.waitForURL(`${BASE}/public/`);
    const session = (await context.cookies()).find(({ name }) => name === COOKIE_NAME);
    assert.ok(session, "there is a session");
    await context.clearCookies();
  };
  const refused = async () => {
    await page.getByRole("alert").waitFor();
    assert.ok(!(await context.cookies()).some(({ name }) => name === COOKIE_NAME), "there is no session");
  };
  return { context, page, complaints, begin, login, signedIn, refused, heading };
}

async function authenticator({ context, page }) {
  const cdp = await context.newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true,
    isUserVerified: true, automaticPresenceSimulation: true };
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", { options });
  const set = (isUserVerified) => cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified });
  const credentials = async () => (await cdp.send("WebAuthn.getCredentials", { authenticatorId })).credentials;
  return { set, credentials };
}

// The recovery codes that the page shows, once: one list to copy or print.
async function recoveryCodes(page) {
  await page.getByText("works once").waitFor();
  const list = await page.locator("#recovery-codes").innerText();
  const codes = list.split("\n").filter((text) => /^[a-z0-9]{10}$/.test(text));
  assert.equal(codes.length, 10, list);
  return codes;
}

async function useKey(page) {
  await page.locator("#webauthn ~ button, #webauthn ~ .actions button").first().click();
}

async function recover({ page }, code) {
  await page.getByRole("button", { name: /recovery code/i }).click();
  await page.getByLabel("Recovery Code").fill(code);
  await page.keyboard.press("Enter");
}

async function securityKey() {
  const person = await open();
  const { page, login, signedIn, refused, begin } = person;
  const key = await authenticator(person);
  const use = () => useKey(page);

  // Registered, and used at once, since the journey goes on with that.
  await login("SecurityKey");
  await page.locator("#webauthn").waitFor();
  assert.match(await page.locator("#webauthn").textContent(), /ready/, "the script runs");
  await use();
  const codes = await recoveryCodes(page);
  assert.equal((await key.credentials()).length, 1, "the authenticator has a credential");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.locator("#webauthn").waitFor();
  await use();
  await signedIn();

  // Again, with what is registered by now.
  await login("SecurityKey");
  await page.locator("#webauthn").waitFor();
  await use();
  await signedIn();

  // Without a user name: the passkey says who it is.
  await begin("Passkey");
  await use();
  await signedIn();

  // Who holds it was not verified, and the journey requires it.
  await key.set(false);
  await login("SecurityKey");
  await page.locator("#webauthn").waitFor();
  await use();
  await refused();
  await key.set(true);

  // A recovery code instead; it works once.
  await login("SecurityKey");
  await recover(person, codes[3]);
  await signedIn();
  await login("SecurityKey");
  await recover(person, codes[3]);
  await refused();

  assert.deepEqual(person.complaints, [], "content security policy, script errors");
  await person.context.close();
  return "ok";
}

// RFC 6238, of the secret as it stands on the page.
function code(secret, step) {
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", key).update(counter).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

function step() {
  return Math.floor(Date.now() / 30_000);
}

async function oneTimePassword() {
  const person = await open();
  const { page, login, signedIn, refused } = person;
  await login("OneTimePassword");
  const link = page.getByRole("link", { name: /authenticator app/i });
  await link.waitFor();
  const uri = new URL(await link.getAttribute("href"));
  assert.equal(uri.protocol, "otpauth:");
  const secret = (await page.locator("#app-secret").textContent()).replaceAll(/\s/g, "");
  assert.equal(uri.searchParams.get("secret"), secret, "the link and the text have the same secret");
  const image = page.locator("#app-code");
  assert.ok(await image.evaluate((image) => image.complete && image.naturalWidth > 100), "the QR code is shown");
  await page.getByRole("button", { name: "Next" }).click();
  const codes = await recoveryCodes(page);
  await page.getByRole("button", { name: "Continue" }).click();

  const field = page.locator("input[autocomplete=one-time-code]");
  const first = step();
  await field.fill(code(secret, first));
  await field.press("Enter");
  await signedIn();

  // The same code again, and a wrong one.
  for (const bad of [code(secret, first), "000000"]) {
    await login("OneTimePassword");
    await field.fill(bad);
    await field.press("Enter");
    await refused();
  }
  // One of the next interval is within the window.
  await login("OneTimePassword");
  await field.fill(code(secret, Math.max(step(), first + 1)));
  await field.press("Enter");
  await signedIn();

  await login("OneTimePassword");
  await recover(person, codes[0]);
  await signedIn();
  assert.deepEqual(person.complaints, [], "content security policy, script errors");
  await person.context.close();
  return "ok";
}

async function withoutScripts() {
  const { page, context, login } = await open({ javaScriptEnabled: false });
  await login("SecurityKey");
  assert.match(await page.locator("#webauthn").textContent(), /needs JavaScript/);
  // What the form sends without it is asked again.
  await useKey(page);
  assert.match(await page.locator("#webauthn").textContent(), /needs JavaScript/);
  await context.close();
  return "ok";
}

// A journey as a realm of AM has it: it registers who has no key, and then goes on with it.
async function exported() {
  const person = await open();
  const { page, login, signedIn } = person;
  await authenticator(person);
  await login(EXPORTED, OTHER_USER);
  for (const action of ["webauthn_registration", "webauthn_authentication"]) {
    await page.locator(`#webauthn[data-options*="${action}"]`).waitFor();
    await useKey(page);
  }
  await signedIn();
  await person.context.close();
  return "ok";
}
