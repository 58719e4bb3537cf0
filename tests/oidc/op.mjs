// A real OpenID provider, panva's oidc-provider, with people that a test logs in as.
//
//   node op.mjs FOLDER PORT
//
// FOLDER holds server.pem and server.key. What it has issued and its own keys are kept there, so that it can be killed and
// started again. The page at which people log in and consent is a form without a password: who they are, and by which
// means they say so, is what the test fills in.

import crypto from 'node:crypto';
import fs from 'node:fs';
import { body, modules, serve } from './serve.mjs';

const { default: OpenIdProvider, interactionPolicy } = await import(new URL('oidc-provider/lib/index.js', modules));

const [folder, port] = process.argv.slice(2);
const issuer = `https://127.0.0.1:${port}`;

/** A file of JSON in the folder, which holds `value` to begin with. */
function kept(name, value) {
  const file = `${folder}/${name}.json`;
  const now = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file)) : value;
  const keep = () => fs.writeFileSync(file, JSON.stringify(now));
  keep();
  return [now, keep];
}

const [people, keepPeople] = kept('people', {
  alice: { email: 'alice@corp.example', email_verified: true, name: 'Alice', groups: ['dev', 'oncall'] },
  bob: { email: 'bob@corp.example', email_verified: true, name: 'Bob', groups: ['sre-approvers'] },
  carol: { email: 'carol@corp.example', email_verified: false, name: 'Carol', groups: [] },
});
const [issued, keepIssued] = kept('issued', {});
const [keys, keepKeys] = kept('keys', newKeys());

function newKeys() {
  const suffix = crypto.randomBytes(4).toString('hex');
  const key = (alg, kind, options) => {
    const { privateKey } = crypto.generateKeyPairSync(kind, options);
    return { ...privateKey.export({ format: 'jwk' }), kid: `${alg}-${suffix}`, use: 'sig', alg };
  };
  return [key('ES256', 'ec', { namedCurve: 'P-256' }), key('RS256', 'rsa', { modulusLength: 2048 })];
}

/** Everything that was issued, in one object, by kind and id. */
class Adapter {
  constructor(kind) {
    this.kind = kind;
  }
  key(id) {
    return `${this.kind}:${id}`;
  }
  change(change) {
    change();
    keepIssued();
  }
  async upsert(id, payload) {
    this.change(() => { issued[this.key(id)] = payload; });
  }
  async find(id) {
    return issued[this.key(id)];
  }
  first(fits) {
    return Object.entries(issued).find(([key, payload]) => key.startsWith(`${this.kind}:`) && fits(payload))?.[1];
  }
  async findByUid(uid) {
    return this.first((payload) => payload.uid === uid);
  }
  async findByUserCode(code) {
    return this.first((payload) => payload.userCode === code);
  }
  async consume(id) {
    this.change(() => { issued[this.key(id)].consumed = Math.floor(Date.now() / 1000); });
  }
  async destroy(id) {
    this.change(() => { delete issued[this.key(id)]; });
  }
  async revokeByGrantId(grant) {
    this.change(() => forget((payload) => payload.grantId === grant));
  }
}

function forget(fits) {
  for (const [key, payload] of Object.entries(issued)) {
    if (fits(payload, key)) delete issued[key];
  }
}

// As it comes, a provider takes acr_values for a wish. This one asks for another login where the session has none of them.
const { base, Check } = interactionPolicy;
const policy = base();
policy.get('login').checks.add(new Check('acr_values', 'a stronger login is asked for', (ctx) => {
  const wanted = ctx.oidc.params.acr_values?.split(' ');
  const has = !wanted || wanted.includes(ctx.oidc.session.acr) || ctx.oidc.result?.login;
  return has ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT;
}));

/** Whether it has logins by device code (RFC 8628), and for how many seconds a code of those is good. */
let [hasDeviceCodes, deviceCodesLast] = [true, 120];
let hidesKeys = false;
const grants = () => ['authorization_code', 'refresh_token', ...(hasDeviceCodes ? ['urn:ietf:params:oauth:grant-type:device_code'] : [])];
// RFC 8252, section 7.3: any port of loopback fits.
const native = () => ({
  application_type: 'native',
  redirect_uris: ['http://127.0.0.1/callback', 'http://127.0.0.1/', 'http://[::1]/callback'],
  grant_types: grants(),
  response_types: ['code'],
});

function provider() {
  const op = new OpenIdProvider(issuer, {
    adapter: Adapter,
    clients: [
      { ...native(), client_id: 'jit-ca', token_endpoint_auth_method: 'none', id_token_signed_response_alg: 'ES256' },
      { ...native(), client_id: 'another', token_endpoint_auth_method: 'none', id_token_signed_response_alg: 'ES256' },
      { ...native(), client_id: 'with secret', client_secret: 'kept: by tests+alone', id_token_signed_response_alg: 'RS256' },
    ],
    jwks: { keys },
    scopes: ['openid', 'email', 'profile', 'groups', 'offline_access'],
    claims: {
      openid: ['sub', 'acr', 'amr', 'auth_time'],
      email: ['email', 'email_verified'],
      profile: ['name'],
      groups: ['groups'],
    },
    acrValues: ['urn:example:pwd', 'urn:example:mfa'],
    // The claims of scopes stand in the ID token, as they do with most providers.
    conformIdTokenClaims: false,
    findAccount: (ctx, id) => people[id] && { accountId: id, claims: async () => ({ sub: id, ...people[id] }) },
    issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      deviceFlow: { enabled: hasDeviceCodes },
      revocation: { enabled: true },
    },
    interactions: { policy, url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    cookies: { keys: ['of tests'] },
    ttl: { IdToken: 300, AccessToken: 300, AuthorizationCode: 60, DeviceCode: () => deviceCodesLast, Interaction: 300, Session: 3600, Grant: 86400, RefreshToken: 86400 },
  });
  op.on('server_error', (ctx, error) => console.error(error));
  return op;
}

let op = provider();

/** The page of a login or a consent, and what becomes of its form. */
async function interaction(request, response) {
  const { prompt, params, session } = await op.interactionDetails(request, response);
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(page(prompt.name));
    return;
  }
  const form = new URLSearchParams(await body(request));
  const finish = (result) => op.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  if (form.has('refuse')) {
    await finish({ error: 'access_denied', error_description: 'the person refused' });
  } else if (prompt.name === 'login') {
    const time = form.get('auth_time');
    const [acr, amr] = [form.get('acr') || undefined, form.get('amr')?.split(' ').filter(Boolean)];
    await finish({ login: { accountId: form.get('sub'), acr, amr, ts: time ? Number(time) : undefined } });
  } else {
    const grant = new op.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    await finish({ consent: { grantId: await grant.save() } });
  }
}

function page(prompt) {
  const field = (name) => `<label>${name} <input name="${name}"></label>`;
  const fields = prompt === 'login' ? ['sub', 'acr', 'amr', 'auth_time'].map(field).join('') : '';
  return `<!doctype html><title>${prompt}</title><form method="post">${fields}
    <button name="go" value="1">${prompt}</button> <button name="refuse" value="1">refuse</button></form>`;
}

const controls = {
  /** Somebody is changed, is new, or with null is gone. */
  people: (changes) => {
    for (const [sub, claims] of Object.entries(changes)) {
      if (claims) people[sub] = { ...people[sub], ...claims };
      else delete people[sub];
    }
    keepPeople();
  },
  /** The refresh tokens of a person are worth nothing any more. */
  revoke: (sub) => {
    forget((payload, key) => key.startsWith('RefreshToken:') && payload.accountId === sub);
    keepIssued();
  },
  /** It has logins by device code, or has none any more. */
  device_codes: (whether) => {
    hasDeviceCodes = whether;
    op = provider();
  },
  device_codes_last: (secs) => { deviceCodesLast = secs; },
  /** Its keys are not to be had, or are again. */
  hides_keys: (whether) => { hidesKeys = whether; },
  /** Signs with new keys, and publishes no others. */
  rotate: () => {
    keys.splice(0, keys.length, ...newKeys());
    keepKeys();
    op = provider();
  },
};

serve(folder, port, controls, async (request, response, path) => {
  if (path.startsWith('/interaction/')) await interaction(request, response);
  else if (path === '/jwks' && hidesKeys) response.writeHead(503).end();
  else await op.callback()(request, response);
});
