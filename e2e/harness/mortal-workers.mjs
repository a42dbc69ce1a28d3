// Preloaded into a Sluice process (`node --import`): a test can end one of its worker threads without a word to anybody,
// as an abort in native code would, and learn what all threads keep in memory behind a garbage collection.
//
// E2E_CONTROL_SOCKET names a UNIX socket. `kill <thread name>` answers nothing; `memory` answers bytes as JSON. Plain
// JavaScript, because workers are preloaded with it as well, before anything else.

import { createServer } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BroadcastChannel, isMainThread, threadName } from 'node:worker_threads';

const path = process.env.E2E_CONTROL_SOCKET;
const channel = new BroadcastChannel('mortal-workers');
channel.unref();

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

/** Bytes that are in use, without buffers of native code. */
function usedBytes() {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

if (!isMainThread) {
  channel.onmessage = ({ data }) => {
    if (data.kill === threadName) process.exit(9);
    if (data.measure !== undefined) channel.postMessage({ measured: data.measure, bytes: usedBytes() });
  };
} else if (path !== undefined) {
  let measurements = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (line) => {
      const [command, argument] = line.toString().trim().split(' ');
      if (command === 'kill') {
        channel.postMessage({ kill: argument });
        return;
      }
      const threads = Number(argument);
      const measure = ++measurements;
      const all = [usedBytes()];
      channel.onmessage = ({ data }) => {
        if (data.measured === measure && all.push(data.bytes) === threads + 1) socket.end(JSON.stringify(all));
      };
      channel.postMessage({ measure });
    });
  });
  server.listen(path);
  server.unref();
}
