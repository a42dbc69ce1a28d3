// The default backend: answers 404 for hosts and paths that no Ingress names.

import type { RequestListener } from 'node:http';

const BODY = `<!doctype html>
<meta charset="utf-8">
<title>Nothing here</title>
<h1>404</h1>
<p>No Ingress of this demo names that host and path. This page comes from the demo's own default backend.</p>
`;

export const defaultBackend: RequestListener = (request, response) => {
  request.resume();
  response.writeHead(404, { 'content-type': 'text/html; charset=utf-8', 'content-length': Buffer.byteLength(BODY) });
  response.end(request.method === 'HEAD' ? undefined : BODY);
};
