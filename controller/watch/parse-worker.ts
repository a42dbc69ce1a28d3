// Worker thread that parses one large manifest (see parse-apart.ts). A file, because a worker starts from one.

import { parentPort, workerData } from 'node:worker_threads';
import { decodeObject } from '../objects/decode.ts';
import { parseManifestText } from './manifest-text.ts';
import type { ParsedElsewhere } from './parse-apart.ts';

const { objects, faults } = parseManifestText(String(workerData));
const answer: ParsedElsewhere = {
  objects: objects.map(({ value, line, lineOf }) => {
    // Only plain values travel. Which lines will be asked for is known by decoding here as the receiver will there.
    const fields = decodeObject(value, null).diagnostics.map(({ field }) => field);
    return { value, line, fieldLines: new Map(fields.map((field) => [field, lineOf(field)])) };
  }),
  faults,
};
parentPort?.postMessage(answer);
