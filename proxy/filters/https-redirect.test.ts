import { expect, test } from '@jest/globals';
import type { HttpsRedirectFilter } from '../table/types.ts';
import { applyHttpsRedirect } from './https-redirect.ts';

const filter: HttpsRedirectFilter = { kind: 'httpsRedirect', status: 308, port: null, preserveTrailingSlash: false };

test.each<[string, Partial<HttpsRedirectFilter>, string, string, string]>([
  ['the root loses its slash', {}, 'a.test', '/', 'https://a.test'],
  ['a path keeps its text', {}, 'a.test', '/a%2fb//c', 'https://a.test/a%2fb//c'],
  ['one trailing slash goes', {}, 'a.test', '/a//', 'https://a.test/a/'],
  [
    'the slash at the end of the query goes too: it is the end of the URI',
    {},
    'a.test',
    '/a?b=/',
    'https://a.test/a?b=',
  ],
  ['a slash before the query stays', {}, 'a.test', '/a/?b=1', 'https://a.test/a/?b=1'],
  ['preserve-trailing-slash keeps it', { preserveTrailingSlash: true }, 'a.test', '/', 'https://a.test/'],
  ['the port of the request is dropped', {}, 'a.test:8080', '/x', 'https://a.test/x'],
  ['an IPv6 literal keeps its brackets and loses its port', {}, '[2001:db8::1]:80', '/x', 'https://[2001:db8::1]/x'],
  ['use-port-in-redirects adds the port', { port: 8443 }, 'a.test:8080', '/x', 'https://a.test:8443/x'],
  ['the default port is not written', { port: 443 }, 'a.test', '/x', 'https://a.test/x'],
])('%s', (_name, changes, host, target, location) => {
  expect(applyHttpsRedirect({ ...filter, ...changes }, { scheme: 'http', host, target })).toEqual({
    status: 308,
    reason: 'httpsRedirect',
    headerLines: `Location: ${location}\r\n`,
  });
});

test.each([301, 302, 307, 308])('http-redirect-code %d is the status', (status) => {
  expect(applyHttpsRedirect({ ...filter, status }, { scheme: 'http', host: 'a', target: '/' })?.status).toBe(status);
});

test.each(['https', 'wss', 'ws'])('a request that came over %s goes on', (scheme) => {
  expect(applyHttpsRedirect(filter, { scheme, host: 'a', target: '/' })).toBeNull();
});
