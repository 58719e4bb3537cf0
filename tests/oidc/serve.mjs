// What both issuers are served by: HTTPS with the certificate of a folder, a count of what was asked, and a way for tests
// to change how they behave.

import fs from 'node:fs';
import https from 'node:https';

export const modules = new URL('../../.tools/oidc/node_modules/', import.meta.url);

/** The body of a request, as text. */
export async function body(request) {
  let text = '';
  for await (const part of request) text += part;
  return text;
}

/**
 * Serves `answer` at https://127.0.0.1:PORT, with `server.pem` and `server.key` of a folder.
 *
 * `POST /control` takes a JSON object. Each of its members is a call of that name in `controls`, and the answer has what
 * they gave. Two are for all: `hang` has nothing be answered but this until it ends, and `asked` gives how often each path was asked for.
 */
export function serve(folder, port, controls, answer) {
  const asked = {};
  let hangs = false;
  const waiting = [];
  const hang = (whether) => {
    hangs = whether;
    if (!hangs) waiting.splice(0).forEach((go) => go());
  };
  const all = { ...controls, asked: () => asked, hang };
  const tls = { cert: fs.readFileSync(`${folder}/server.pem`), key: fs.readFileSync(`${folder}/server.key`) };
  https.createServer(tls, async (request, response) => {
    try {
      const path = request.url.split('?')[0];
      if (path === '/control') {
        const given = {};
        for (const [name, value] of Object.entries(JSON.parse(await body(request)))) {
          given[name] = await all[name](value) ?? null;
        }
        response.end(JSON.stringify(given));
        return;
      }
      asked[path] = (asked[path] ?? 0) + 1;
      if (hangs) await new Promise((go) => { waiting.push(go); });
      await answer(request, response, path);
    } catch (error) {
      console.error(error);
      response.statusCode = 500;
      response.end(`${error.stack}\n`);
    }
  }).listen(port, '127.0.0.1');
}
