// A static site: the files of demo/site, read once at start. Only names found then are served, so no request path ever
// reaches the file system.

import { readdirSync, readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { extname, join } from 'node:path';

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Serves the flat folder `folder`; `/` is index.html. */
export function site(folder: string): RequestListener {
  const files = new Map(readdirSync(folder).map((name) => [`/${name}`, readFileSync(join(folder, name))]));
  return (request, response) => {
    const path = new URL(request.url ?? '/', 'http://site').pathname;
    const name = path === '/' ? '/index.html' : path;
    const content = files.get(name);
    request.resume();
    if (content === undefined) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('no such page\n');
      return;
    }
    const contentType = CONTENT_TYPES[extname(name)] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': contentType, 'content-length': content.length });
    response.end(request.method === 'HEAD' ? undefined : content);
  };
}
