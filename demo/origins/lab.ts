// Origins that misbehave: one is slow, one fails. They show timeouts, streaming and error answers.

import type { RequestListener } from 'node:http';

const CHUNKS = 5;
const MAX_DELAY_MS = 60_000;

/**
 * `/slow` sends five lines, 400 ms apart, so that streaming is visible. `?ms=N` (at most 60000) instead keeps the whole
 * answer back for that time.
 */
export const slow: RequestListener = (request, response) => {
  request.resume();
  const delayMs = Number(new URL(request.url ?? '/', 'http://lab').searchParams.get('ms') ?? Number.NaN);
  response.setHeader('content-type', 'text/plain');
  if (delayMs >= 0) {
    const timer = setTimeout(() => response.end(`after ${delayMs} ms\n`), Math.min(delayMs, MAX_DELAY_MS));
    response.once('close', () => clearTimeout(timer));
    return;
  }
  let sent = 0;
  const timer = setInterval(() => {
    response.write(`line ${++sent} of ${CHUNKS}\n`);
    if (sent === CHUNKS) response.end();
  }, 400);
  response.once('close', () => clearInterval(timer));
};

/** `?how=reset` cuts the connection without an answer, `?how=garbage` answers what is not HTTP; otherwise a plain 500. */
export const failing: RequestListener = (request, response) => {
  request.resume();
  const how = new URL(request.url ?? '/', 'http://lab').searchParams.get('how');
  if (how === 'reset') {
    request.socket.resetAndDestroy();
  } else if (how === 'garbage') {
    request.socket.end('this is not HTTP\r\n\r\n');
  } else {
    response.writeHead(500, { 'content-type': 'text/plain' }).end('the origin says: something broke here\n');
  }
};
