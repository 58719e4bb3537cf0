// A headless Chromium with a virtual authenticator, driven line by line: each line of stdin is JavaScript (a JSON
// string) that runs with what stands below in its scope, each line of stdout is what came of it, as JSON.
//
//   node drive.mjs PROFILE RESOLVER-RULES
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [profile, rules] = process.argv.slice(2);
const context = await chromium.launchPersistentContext(profile, {
  executablePath: "/usr/bin/chromium",
  viewport: { width: 1280, height: 800 },
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", `--host-resolver-rules=${rules}`,
  ],
});
const page = context.pages()[0] ?? (await context.newPage());
page.setDefaultTimeout(20000);
const errors = [];
page.on("pageerror", (error) => errors.push(String(error)));
const cdp = await context.newCDPSession(page);
await cdp.send("WebAuthn.enable");

/** Plugs an authenticator in that verifies its user, and gives its id. */
async function plug(options = {}) {
  const usual = {
    protocol: "ctap2", ctap2Version: "ctap2_1", transport: "internal", hasResidentKey: true, hasUserVerification: true,
    isUserVerified: true, automaticPresenceSimulation: true,
  };
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", { options: { ...usual, ...options } });
  return authenticatorId;
}

/** What main says, once it says this. */
async function says(text) {
  await page.locator("main", { hasText: text }).waitFor();
  return page.locator("main").innerText();
}

const press = (name) => page.getByRole("button", { name, exact: true }).click();
const AsyncFunction = (async () => {}).constructor;
const scope = { context, page, cdp, plug, says, press, errors };
process.stdout.write('"ready"\n');
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { value: (await new AsyncFunction(...Object.keys(scope), JSON.parse(line))(...Object.values(scope))) ?? null };
  } catch (error) {
    const shown = await page.locator("body").innerText().catch(() => "");
    answer = { error: `${error}\n--- on ${page.url()}:\n${shown}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await context.close();
