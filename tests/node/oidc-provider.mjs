// A certified OpenID provider with a handful of people, for the tests.
//
//   node oidc-provider.mjs '{"client": {"id", "secret", "redirect", "signedOut"}, "people": {SUB: {"name", "groups", "amr", "acr"}}}'
//
// Listens on a free port of 127.0.0.1 and prints its issuer as the first line. Signing in is one form field: the
// person. PKCE with S256 is required; consent is given by itself. Refresh tokens are for one use. `POST /people` with
// the same JSON replaces the people: whoever is not among them is gone.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const { client, people: first } = JSON.parse(process.argv[2]);
const scopes = 'openid profile groups offline_access';
let people = first;

const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const provider = new Provider(issuer, {
  clients: [{
    client_id: client.id,
    client_secret: client.secret,
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: [client.redirect],
    post_logout_redirect_uris: [client.signedOut],
    token_endpoint_auth_method: 'client_secret_post',
  }],
  claims: { openid: ['sub', 'amr', 'acr'], profile: ['name', 'email'], groups: ['groups'] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  features: { devInteractions: { enabled: false } },
  findAccount: (_ctx, sub) => people[sub] && {
    accountId: sub,
    claims: () => ({ sub, name: people[sub].name, email: people[sub].email, groups: people[sub].groups }),
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  jwks: { keys: [{ ...key, use: 'sig', alg: 'RS256' }] },
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope(scopes);
    await grant.save();
    return grant;
  },
  pkce: { required: () => true },
  rotateRefreshToken: () => true,
  scopes: scopes.split(' '),
});

async function bodyOf(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return body;
}

async function interact(request, response) {
  const { prompt } = await provider.interactionDetails(request, response);
  if (prompt.name === 'consent') {
    await provider.interactionFinished(request, response, { consent: {} }, { mergeWithLastSubmission: true });
    return;
  }
  if (request.method === 'GET') {
    response.setHeader('content-type', 'text/html');
    response.end('<!DOCTYPE html><html lang="en"><title>Provider</title><form method="post">'
      + '<label>Person <input name="person"></label><button>Sign in</button></form></html>');
    return;
  }
  const person = new URLSearchParams(await bodyOf(request)).get('person');
  const result = people[person]
    ? { login: { accountId: person, amr: people[person].amr, acr: people[person].acr } }
    : { error: 'access_denied', error_description: 'The person went away.' };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

async function replacePeople(request, response) {
  people = JSON.parse(await bodyOf(request));
  response.end();
}

const serve = provider.callback();
server.on('request', (request, response) => {
  if (request.url.startsWith('/interaction/')) interact(request, response);
  else if (request.url === '/people') replacePeople(request, response);
  else serve(request, response);
});
console.log(issuer);
