// An issuer of workloads' tokens, as a forge or a cluster is one: a description, a set of keys, and tokens that jose signs.
//
//   node issuer.mjs FOLDER PORT
//
// FOLDER holds server.pem and server.key.

import crypto from 'node:crypto';
import { modules, serve } from './serve.mjs';

const { SignJWT } = await import(new URL('jose/dist/webapi/index.js', modules));

const [folder, port] = process.argv.slice(2);
const issuer = `https://127.0.0.1:${port}`;

const rsa = ['rsa', { modulusLength: 2048 }];
const kinds = {
  RS256: rsa, RS384: rsa, RS512: rsa, PS256: rsa, PS384: rsa, PS512: rsa,
  ES256: ['ec', { namedCurve: 'P-256' }],
  ES384: ['ec', { namedCurve: 'P-384' }],
  EdDSA: ['ed25519', {}],
};
let keys;
/** What stands at a path, where it is not what it should be. */
const documents = {};

function renew() {
  const suffix = crypto.randomBytes(4).toString('hex');
  keys = {};
  for (const [alg, [kind, options]] of Object.entries(kinds)) {
    const { publicKey, privateKey } = crypto.generateKeyPairSync(kind, options);
    const kid = `${alg}-${suffix}`;
    keys[alg] = { privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } };
  }
}

function published(path) {
  switch (path) {
    case '/.well-known/openid-configuration':
      return { issuer, jwks_uri: `${issuer}/jwks`, id_token_signing_alg_values_supported: Object.keys(kinds) };
    case '/jwks':
      return { keys: Object.values(keys).map(({ jwk }) => jwk) };
    default:
      return undefined;
  }
}

const controls = {
  rotate: renew,
  /** Another document at a path: `{ path, status, headers, body }`. */
  publish: ({ path, ...document }) => { documents[path] = document; },
  /** A token: `{ alg, header, claims }`. What is null in the header is not there. */
  sign: async ({ alg, header, claims }) => {
    const { privateKey, jwk } = keys[alg];
    const whole = Object.entries({ alg, kid: jwk.kid, typ: 'JWT', ...header });
    const there = Object.fromEntries(whole.filter(([, value]) => value !== null));
    return new SignJWT(claims).setProtectedHeader(there).sign(privateKey);
  },
};

renew();
serve(folder, port, controls, (request, response, path) => {
  const own = published(path);
  // As kube-apiserver does: whoever does not take this type of keys gets none.
  const type = path === '/jwks' ? 'application/jwk-set+json' : 'application/json';
  const taken = (request.headers.accept ?? '*/*').split(',').map((one) => one.split(';')[0].trim());
  const usual = !own ? 404 : taken.some((one) => one === type || one === '*/*') ? 200 : 406;
  const { status = usual, headers = {}, body = JSON.stringify(own ?? {}) } = documents[path] ?? {};
  response.writeHead(status, { 'content-type': type, ...headers });
  response.end(body);
});
