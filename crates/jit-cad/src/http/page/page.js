// The page's script, without anything of others. It shows what the CA says, and hands over what passkeys sign.
//
// A passkey signs the SHA-256 of a statement. What an approval signs is made here, from what the page shows.

const main = document.getElementById("main");

// --- bytes ---

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/=+$/, "");
const sha256 = (text) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));

// --- the CA ---

class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || "the CA can't be reached");
    this.status = status;
    this.isLoggedOut = problem.code === "unauthenticated";
    this.hint = problem.hint || "";
  }
}

async function call(method, path, body) {
  const headers = method === "POST" ? { "content-type": "application/json", "idempotency-key": crypto.randomUUID() } : {};
  const sent = { method, headers, body: body && JSON.stringify(body), credentials: "same-origin", redirect: "error" };
  let answer;
  try {
    answer = await fetch(path, sent);
  } catch {
    throw new Refused(0, { hint: "look whether you are still connected, then try again" });
  }
  const text = await answer.text();
  const told = text ? JSON.parse(text) : {};
  if (!answer.ok) throw new Refused(answer.status, told);
  return told;
}

// --- passkeys ---

const known = (ids) => ids.map((id) => ({ type: "public-key", id: bytes(id) }));

async function assert(host, statement, ids) {
  const publicKey = { rpId: host, challenge: await sha256(statement), userVerification: "required", timeout: 120000, allowCredentials: known(ids) };
  const { rawId, response } = await navigator.credentials.get({ publicKey });
  const assertion = {
    passkey: base64(rawId),
    client_data: base64(response.clientDataJSON),
    authenticator_data: base64(response.authenticatorData),
    signature: base64(response.signature),
  };
  return { assertion, user: response.userHandle ? base64(response.userHandle) : "" };
}

async function register(enrolment) {
  const { host, user, name, statement, existing } = enrolment;
  const publicKey = {
    rp: { id: host, name: "jit-ca" },
    user: { id: bytes(user), name, displayName: name },
    challenge: await sha256(statement),
    pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: "public-key", alg })),
    authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
    excludeCredentials: known(existing),
    attestation: "none",
    timeout: 120000,
  };
  const { response } = await navigator.credentials.create({ publicKey });
  return { client_data: base64(response.clientDataJSON), authenticator_data: base64(response.getAuthenticatorData()) };
}

// --- statements (docs/log-format.md) ---

const lines = (kind, pairs) => `jit-ca ${kind} v1\n${pairs.map(([name, value]) => `${name}: ${value}\n`).join("")}`;
const given = (name, value) => (value === null || value === undefined ? [] : [[name, value]]);
const rows = (request) => request.rows.map((row) => ["row", row]);

function requestStatement(origin, request) {
  return lines("request", [
    ["origin", origin], ["request", request.id], ["subject", request.subject], ["role", request.role], ...rows(request),
    ["hosts", request.hosts.join(",")], ["duration", request.duration], ["start", request.start],
    ...given("extends", request.extends), ["reason", request.reason], ...given("ticket", request.ticket), ["bundle", request.bundle],
  ]);
}

function approvalStatement(origin, request, hash) {
  return lines("approval", [["origin", origin], ["request", hash], ["duration", request.duration], ...rows(request), ["hosts", request.hosts.join(",")]]);
}

const digest = async (text) => `SHA256:${base64(await sha256(text))}`;

// --- what is shown ---

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

function show(title, ...children) {
  document.title = `${title} · jit-ca`;
  main.className = "";
  main.replaceChildren(...children.filter((child) => child !== null));
  main.focus({ preventScroll: true });
}

function showSmall(title, ...children) {
  show(title, make("div", { className: "card" }, make("h1", {}, title), children));
  main.className = "small";
}

function note(text, hint, isBad) {
  return make("div", { className: isBad ? "note no" : "note", role: isBad ? "alert" : "status" }, text, hint ? make("small", {}, hint) : null);
}

/** What browsers say of a passkey that was not used: the person's no, a time-out, and no such passkey are all one. */
function why(error) {
  if (error instanceof Refused) return note(sentence(error.message), sentence(error.hint), true);
  if (error.name === "NotAllowedError") return note("No passkey was used.", "It was cancelled, took too long, or this device has none for this page.", true);
  if (error.name === "InvalidStateError") return note("This device has a passkey for this page already.", "", true);
  return note("The passkey could not be used.", error.message, true);
}

const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".") : "");

/** A button that does one thing at a time, and says below it why it did not. */
function button(text, className, action) {
  const element = make("button", { type: "button", className }, text);
  element.addEventListener("click", async () => {
    main.querySelectorAll(".note").forEach((old) => old.remove());
    const buttons = main.querySelectorAll("button");
    buttons.forEach((each) => (each.disabled = true));
    try {
      await action();
    } catch (error) {
      if (error.isLoggedOut) return logIn("The login has ended.");
      (element.closest(".buttons") || element).after(why(error));
    }
    buttons.forEach((each) => (each.disabled = false));
  });
  return element;
}

const when = (time) => new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
const hosts = (list) => (list.length === 1 && list[0] === "*" ? "all hosts of the role" : list.join(", "));
const starts = (start) => ({ "at-approval": "as soon as it is approved", "first-use": "with its first use" })[start] || when(start.replace(/^at /, ""));

// --- views ---

async function enrol(link) {
  let enrolment;
  try {
    enrolment = await call("POST", "/page/enrol/begin", { link });
  } catch (error) {
    return showSmall("This link can't be used", why(error));
  }
  const { name, label, host, existing } = enrolment;
  const finish = async (consent) => {
    const registration = await register(enrolment);
    await call("POST", "/page/enrol/finish", { link, registration, consent });
    const login = button("Log in with it", "wide", logInByPasskey);
    showSmall("The passkey is added", make("p", {}, `“${label}” is a passkey of ${name} from now on. You can close this page.`), login);
  };
  const facts = make("dl", {}, make("dt", {}, "For"), make("dd", {}, name), make("dt", {}, "Called"), make("dd", {}, label), make("dt", {}, "On"), make("dd", {}, host));
  const step = async (consent) =>
    showSmall("Add a passkey", consent ? make("p", { className: "soft" }, "Confirmed. Now the new one.") : null, facts, button("Add the passkey", "wide", () => finish(consent)));
  if (existing.length === 0) return step(null);
  const confirm = async () => step((await assert(host, enrolment.statement, existing)).assertion);
  showSmall("Add a passkey", make("p", { className: "soft" }, "You have a passkey. A further one needs its leave: use it first, then make the new one."), facts, button("Use the one that I have", "wide", confirm));
}

/** What a command line asks a passkey to sign. The answer goes to the computer that this browser runs on. */
async function sign(asked) {
  const value = (name) => asked.get(name) || "";
  const kind = value("sign");
  const names = { login: ["subject", "challenge", "login-key"], "step-up": ["subject", "login", "challenge"] }[kind];
  const port = Number(value("port"));
  // No value can make a further line.
  const isSound = names && [...names, "state"].every((name) => /^[!-~]{1,400}$/.test(value(name))) && port > 0 && port < 65536 && port % 1 === 0;
  if (!isSound) return showSmall("This link can't be used", note("It is none that jit-ca makes.", "Run the command again.", true));
  const { host, origin, pin } = await call("GET", "/page/ca");
  const ca = kind === "login" ? [["origin", origin], ["pin", pin]] : [["origin", origin]];
  const statement = lines(kind, [...ca, ...names.map((name) => [name, value(name)])]);
  const use = async () => {
    const { assertion } = await assert(host, statement, []);
    const answer = new URLSearchParams({ state: value("state"), ...assertion });
    location.replace(`http://127.0.0.1:${port}/callback?${answer}`);
  };
  const title = kind === "login" ? "Log in on the command line" : "Confirm that it is you";
  const facts = make("dl", {}, make("dt", {}, "Who"), make("dd", {}, value("subject")), make("dt", {}, kind === "login" ? "Login key" : "Login"),
    make("dd", {}, make("code", {}, value(kind === "login" ? "login-key" : "login"))), make("dt", {}, "Goes to"), make("dd", {}, "a command on this computer"));
  const signs = make("details", {}, make("summary", {}, "What you sign"), make("pre", {}, statement));
  const warning = "Go on only if you have just run the command yourself.";
  showSmall(title, make("p", { className: "soft" }, warning), facts, signs, button("Use a passkey", "wide", use));
}

async function logInByPasskey() {
  const { host, challenge, statement } = await call("POST", "/page/login/begin", {});
  const { assertion, user } = await assert(host, statement, []);
  await call("POST", "/page/login/finish", { challenge, assertion, user });
  if (!/^#r-/.test(location.hash)) location.replace("#requests");
  await route();
}

function logIn(message) {
  document.getElementById("who").hidden = true;
  const text = "With a passkey that you added on the command line: ";
  showSmall("Log in", make("p", { className: "soft" }, text, make("code", {}, "jit-ca passkey add")), message ? note(message, "", false) : null, button("Continue with a passkey", "wide", logInByPasskey),
    make("p", { className: "soft after" }, "A terminal shows you a code? ", make("a", { href: "#device" }, "Type it here")));
}

/** The code of a terminal, as it is shown there. */
const asCode = (text) => text.toUpperCase().replace(/[^A-Z]/g, "").replace(/^(.{4})(.+)$/, "$1-$2");

function typeCode() {
  const code = make("input", { id: "code", maxLength: 16, autocomplete: "off", autocapitalize: "characters", spellcheck: false, placeholder: "XXXX-XXXX" });
  showSmall("Log a terminal in", make("p", { className: "soft" }, "A machine without a browser shows a code when you log in there."),
    make("label", { htmlFor: "code" }, "The code on your terminal"), code, button("Look at it", "wide", () => showDevice(code.value)));
  code.focus();
}

async function device(code) {
  try {
    await showDevice(code);
  } catch (error) {
    showSmall("This code can't be used", why(error), make("div", { className: "buttons after" }, button("Type another", "second", async () => typeCode())));
  }
}

/** Whoever began the login acts as whoever signs on: so who signs on has to know of it. */
async function showDevice(typed) {
  const code = asCode(typed);
  const { issuer, address, begun, login_key } = await call("POST", "/page/device/find", { code });
  const facts = [["Code", make("code", {}, code)], ["Login key", make("code", {}, login_key)], ["Started", when(begun)], ["From", address], ["Signs on at", issuer]];
  const list = make("dl", {}, facts.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  const confirm = async () => {
    const { url, code: theirs } = await call("POST", "/page/device/confirm", { code });
    const go = button(`Go on to ${issuer}`, "wide", async () => location.assign(url));
    showSmall("Now sign on", make("p", {}, `${issuer} asks for this code, or shows it. Go on there only if it is the same.`),
      make("p", { className: "big" }, make("code", {}, theirs)), go);
  };
  const deny = async () => {
    await call("POST", "/page/device/deny", { code });
    showSmall("The login is refused", make("p", {}, "The terminal is told. Did somebody send you the link, or ask you for the code? Tell your administrators: they tried to log in as you."));
  };
  showSmall("Did you start this login?", note("Go on only if you started this yourself, just now.", "Else you log somebody else in as you. No colleague and no help desk needs that.", true), list,
    make("p", { className: "soft" }, "Code and login key have to be those on your terminal."),
    make("div", { className: "buttons stacked" }, button("Yes, I started this", "", confirm), button("No", "second", deny)));
}

async function requests() {
  const waiting = await call("GET", "/page/requests");
  const item = (request) =>
    make("li", {}, make("a", { className: "card", href: `#${request.id}` },
      make("div", { className: "title" }, make("b", {}, `${request.name} asks for ${request.role}`), make("span", { className: "soft" }, request.duration)),
      make("p", { className: "why soft" }, request.reason, request.ticket ? ` (${request.ticket})` : "")));
  const none = make("p", { className: "soft" }, "Nobody waits for your yes.");
  const list = waiting.length ? make("ul", { className: "list" }, waiting.map(item)) : none;
  show("What waits for you", make("h1", {}, "What waits for you"), list);
}

function approver(approval) {
  const { person, rules } = approval.by;
  return person ? `${person.name}${approval.signed ? ", signed" : ""}` : `rule ${rules.join(", ")}`;
}

async function request(id) {
  let told;
  try {
    told = await call("GET", `/page/requests/${id}`);
  } catch (error) {
    if (error.isLoggedOut) throw error;
    return show("No such request", back(), make("div", { className: "card" }, make("h1", {}, "There is no such request"), why(error)));
  }
  await showRequest(told);
}

const back = () => make("a", { className: "back", href: "#requests" }, "← What waits for you");

async function showRequest(told, said) {
  const { request, origin, passkeys, waits_for_me } = told;
  // What is shown is what is signed: the request's hash is made from what stands here, and not taken from the CA.
  const asked = requestStatement(origin, request);
  const hash = await digest(asked);
  const statement = approvalStatement(origin, request, hash);
  const isAsShown = hash === request.hash;
  const facts = [
    ["Who", request.name], ["Why", request.reason, "why"], ["Ticket", request.ticket], ["Role", request.role], ["On", hosts(request.hosts)],
    ["For", request.duration], ["Begins", starts(request.start)],
    ["Gives", make("ul", {}, request.rows.map((row) => make("li", {}, make("code", {}, row))))],
    ["Asked", when(request.made)], ["Lapses", request.status === "pending" ? when(request.lapses) : null],
    ["Approved by", request.approvals.length ? request.approvals.map(approver).join(", ") : null],
    ["Denied by", request.denied && `${request.denied.name}${request.denied.reason ? `: ${request.denied.reason}` : ""}`],
  ];
  const list = make("dl", {}, facts.filter(([, value]) => value).map(([name, value, className = ""]) => [make("dt", {}, name), make("dd", { className }, value)]));
  const signs = make("details", {}, make("summary", {}, "What you sign"), make("pre", {}, asked), make("pre", {}, statement), make("pre", {}, await digest(statement)));
  const approve = async () => {
    const { assertion } = await assert(location.hostname, statement, passkeys);
    const after = await call("POST", `/page/requests/${request.id}/approve`, { comment: null, assertion });
    const needed = after.request.still_needed;
    await showRequest(after, needed ? `You approved it. ${needed} more ${needed === 1 ? "has" : "have"} to agree.` : "You approved it, and that is enough.");
  };
  const reason = make("input", { id: "reason", maxLength: 500, autocomplete: "off" });
  const denying = make("div", { hidden: true }, make("label", { htmlFor: "reason" }, `Why not? ${request.name} reads it.`), reason);
  const deny = async () => {
    const after = await call("POST", `/page/requests/${request.id}/deny`, { reason: reason.value.trim() || null });
    await showRequest(after, "You denied it.");
  };
  const buttons = make("div", { className: "buttons" }, button("Approve with a passkey", "", approve));
  const ask = make("button", { type: "button", className: "second" }, "Deny");
  ask.addEventListener("click", () => {
    denying.hidden = false;
    buttons.replaceChildren(button("Deny", "no", deny), make("button", { type: "button", className: "second", onclick: () => showRequest(told) }, "Back"));
    reason.focus();
  });
  buttons.append(ask);
  const isOver = request.status === "denied" || request.status === "cancelled" || request.status === "lapsed";
  const stamp = make("span", { className: isOver ? "stamp no" : "stamp" }, request.status);
  show(`${request.name} asks for ${request.role}`, back(), make("div", { className: "card" },
    stamp, make("h1", {}, `${request.name} asks for ${request.role}`), list,
    isAsShown ? null : note("This is not what was asked for.", "The CA gives another hash than what stands here has. Tell its administrators, and sign nothing.", true),
    waits_for_me && isAsShown ? [signs, denying, buttons] : null, said ? note(said, "", false) : null));
}

// --- which view ---

async function route() {
  const link = /^#enrol=([\w-]+)$/.exec(location.hash);
  if (link) {
    // Out of the address bar and the history: it is a secret.
    history.replaceState(null, "", "/");
    return enrol(link[1]);
  }
  if (location.hash.startsWith("#sign=")) {
    const asked = new URLSearchParams(location.hash.slice(1));
    history.replaceState(null, "", "/");
    return sign(asked).catch((error) => showSmall("That did not work", why(error)));
  }
  const waiting = /^#device(?:=([\w-]+))?$/.exec(location.hash);
  if (waiting && !waiting[1]) return typeCode();
  if (waiting) {
    history.replaceState(null, "", "/");
    return device(waiting[1]);
  }
  try {
    const me = await call("GET", "/page/me");
    document.getElementById("name").textContent = me.name;
    document.getElementById("who").hidden = false;
    const id = /^#(r-[0-9a-z]{26})$/.exec(location.hash);
    await (id ? request(id[1]) : requests());
  } catch (error) {
    if (!error.isLoggedOut) return showSmall("That did not work", why(error));
    logIn();
  }
}

document.getElementById("host").textContent = location.host;
document.getElementById("logout").addEventListener("click", async () => {
  await call("POST", "/page/logout", {}).catch(() => {});
  logIn("You are logged out.");
});
addEventListener("hashchange", route);
route();
