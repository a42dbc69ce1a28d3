// OIDC users of a kubeconfig (auth-provider `oidc`): sends the id-token, and refreshes one that ran out at its issuer.
//
// client-node 2.0.1 cannot: its oidc_auth.js hands openid-client a text where that demands a URL, and takes the lifetime
// of a new token for the time of its end. New tokens stay in memory: the kubeconfig is kubectl's to write.

import { readFileSync } from 'node:fs';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { KubeConfig, User } from '@kubernetes/client-node';
import { isRecord } from '../../objects/decode-report.ts';

/** Name the provider gets, so that the library's own one leaves it alone. */
export const oidcProvider = 'sluice-oidc';

type Config = Readonly<Record<string, string | undefined>>;

/** A token is renewed this long before it ends: a request on its way still has a good one. */
const earlySeconds = 10;
const limitMs = 10_000;
const maxAnswerBytes = 1024 * 1024;

type Authenticator = Parameters<KubeConfig['addAuthenticator']>[0];

export class OidcAuthenticator implements Authenticator {
  readonly #wallMs: () => number;
  #idToken: string | null = null;
  #refreshToken: string | null = null;

  /** @param wallMs Unix time in milliseconds. */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  isAuthProvider(user: User): boolean {
    return user.authProvider?.name === oidcProvider;
  }

  /** Rejects when a token ran out and the issuer gives no other. Errors hold no token. */
  async applyAuthentication(user: User, options: RequestOptions): Promise<void> {
    const config = (user.authProvider?.config ?? {}) as Config;
    this.#idToken ??= config['id-token'] ?? '';
    if (this.#hasEnded(this.#idToken)) await this.#refresh(config);
    options.headers = { ...(options.headers as OutgoingHttpHeaders), authorization: `Bearer ${this.#idToken}` };
  }

  #hasEnded(idToken: string): boolean {
    return expiryOf(idToken) - earlySeconds <= this.#wallMs() / 1000;
  }

  async #refresh(config: Config): Promise<void> {
    const issuer = config['idp-issuer-url'];
    const refreshToken = this.#refreshToken ?? config['refresh-token'];
    if (issuer === undefined || refreshToken === undefined) throw new Error('the id-token has ended');
    const ca = readCa(config);
    const found = await exchange(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, ca, null);
    const endpoint = found['token_endpoint'];
    if (typeof endpoint !== 'string') throw new Error('the OIDC issuer names no token_endpoint');
    const form = { grant_type: 'refresh_token', refresh_token: refreshToken };
    const answer = await exchange(endpoint, ca, signForm(form, config, found));
    const { id_token: idToken, refresh_token: next } = answer;
    if (typeof idToken !== 'string') throw new Error('the OIDC issuer answered without an id_token');
    this.#idToken = idToken;
    // Issuers may give a new one with each use, and refuse the old one then.
    this.#refreshToken = typeof next === 'string' ? next : refreshToken;
  }
}

/** `exp` in Unix seconds (RFC 7519 §4.1.4); 0 for what is no JWT. */
function expiryOf(token: string): number {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    return isRecord(payload) && typeof payload['exp'] === 'number' ? payload['exp'] : 0;
  } catch {
    return 0;
  }
}

function readCa(config: Config): Buffer | undefined {
  const data = config['idp-certificate-authority-data'];
  if (data !== undefined) return Buffer.from(data, 'base64');
  const file = config['idp-certificate-authority'];
  return file === undefined ? undefined : readFileSync(file);
}

interface Form {
  readonly body: string;
  readonly headers: OutgoingHttpHeaders;
}

/** Signs in as the client (RFC 6749 §2.3.1): by Basic, unless the issuer only takes the secret in the form. */
function signForm(
  form: Readonly<Record<string, string>>,
  config: Config,
  found: Readonly<Record<string, unknown>>,
): Form {
  const id = config['client-id'] ?? '';
  const secret = config['client-secret'] ?? '';
  const methods = found['token_endpoint_auth_methods_supported'];
  const wantsForm = Array.isArray(methods) && !methods.includes('client_secret_basic');
  const isBasic = secret !== '' && !wantsForm;
  const inForm = isBasic ? {} : { client_id: id, ...(secret === '' ? {} : { client_secret: secret }) };
  const pair = `${encodeURIComponent(id)}:${encodeURIComponent(secret)}`;
  return {
    body: new URLSearchParams({ ...form, ...inForm }).toString(),
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(isBasic ? { authorization: `Basic ${Buffer.from(pair).toString('base64')}` } : {}),
    },
  };
}

/** GET, or POST with a form. OIDC is spoken over TLS only (OpenID Connect Core §3.1.2). */
function exchange(url: string, ca: Buffer | undefined, form: Form | null): Promise<Readonly<Record<string, unknown>>> {
  const { promise, resolve, reject } = Promise.withResolvers<Readonly<Record<string, unknown>>>();
  const request = httpsRequest(url, {
    method: form === null ? 'GET' : 'POST',
    headers: { accept: 'application/json', ...form?.headers },
    signal: AbortSignal.timeout(limitMs),
    agent: false,
    ...(ca === undefined ? {} : { ca }),
  });
  request.on('response', (response) => readJson(response).then(resolve, reject));
  request.on('error', reject);
  request.end(form?.body);
  return promise;
}

async function readJson(response: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  let text = '';
  for await (const piece of response.setEncoding('utf8')) {
    text += String(piece);
    if (text.length > maxAnswerBytes) throw new Error('the OIDC issuer answers too much');
  }
  if (response.statusCode !== 200) throw new Error(`the OIDC issuer answered ${response.statusCode}`);
  const json: unknown = JSON.parse(text);
  if (!isRecord(json)) throw new Error('the OIDC issuer answered with something else than an object');
  return json;
}
