// JSON Patch (RFC 6902) on values that are never changed in place.

import { badRequest } from '../api-error.ts';
import { equalJson, isJsonObject, type Json } from '../objects.ts';

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: Json;
}

/** Applies a patch document. A malformed one is a 400, one that does not fit the target is an error the caller turns into 422. */
export function applyJsonPatch(target: Json, patch: unknown): Json {
  if (!Array.isArray(patch)) throw badRequest('json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  return (patch as Operation[]).reduce(applyOperation, target);
}

function applyOperation(target: Json, operation: Operation): Json {
  const steps = parsePointer(operation.path);
  switch (operation.op) {
    case 'add':
      return write(target, steps, 'add', operation.value ?? null);
    case 'replace':
      return write(target, steps, 'replace', operation.value ?? null);
    case 'remove':
      return write(target, steps, 'remove', null);
    case 'test':
      if (equalJson(read(target, steps) ?? null, operation.value ?? null)) return target;
      throw unprocessable(`testing value ${operation.path} failed: test failed`);
    case 'copy':
      return write(target, steps, 'add', existing(target, operation.from ?? ''));
    case 'move': {
      const from = operation.from ?? '';
      const value = existing(target, from);
      return write(write(target, parsePointer(from), 'remove', null), steps, 'add', value);
    }
    default:
      throw badRequest(`Unexpected kind: ${operation.op}`);
  }
}

/** A patch that fits the format but not the object. */
export class UnfitPatch extends Error {}

function unprocessable(message: string): UnfitPatch {
  return new UnfitPatch(message);
}

/** RFC 6901; "~1" before "~0", or "~01" would come out as "/". */
function parsePointer(pointer: string): string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) throw badRequest(`invalid JSON pointer: ${pointer}`);
  return pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function read(target: Json | undefined, steps: readonly string[]): Json | undefined {
  let current: Json | undefined = target;
  for (const step of steps) {
    if (Array.isArray(current)) current = (current as readonly Json[])[Number(step)];
    else if (isJsonObject(current) && Object.hasOwn(current, step)) current = current[step];
    else return undefined;
  }
  return current;
}

function existing(target: Json, pointer: string): Json {
  const found = read(target, parsePointer(pointer));
  if (found === undefined) throw unprocessable(`key ${pointer} does not exist: missing value`);
  return found;
}

type Mode = 'add' | 'replace' | 'remove';

function write(target: Json | undefined, steps: readonly string[], mode: Mode, value: Json): Json {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  if (Array.isArray(target)) return writeItem(target, step, rest, mode, value);
  if (!isJsonObject(target)) throw missing(steps, mode);
  const isThere = Object.hasOwn(target, step);
  if (rest.length > 0) {
    if (!isThere) throw missing(steps, mode);
    return { ...target, [step]: write(target[step], rest, mode, value) };
  }
  if (!isThere && mode !== 'add') throw missing(steps, mode);
  if (mode !== 'remove') return { ...target, [step]: value };
  const { [step]: _removed, ...kept } = target;
  return kept;
}

function writeItem(items: readonly Json[], step: string, rest: readonly string[], mode: Mode, value: Json): Json {
  const isAppend = step === '-' && rest.length === 0 && mode === 'add';
  const index = isAppend ? items.length : Number(step);
  const limit = rest.length === 0 && mode === 'add' ? items.length : items.length - 1;
  if (!Number.isInteger(index) || index < 0 || index > limit) throw missing([step, ...rest], mode);
  if (rest.length > 0) return items.with(index, write(items[index], rest, mode, value));
  switch (mode) {
    case 'add':
      return items.toSpliced(index, 0, value);
    case 'replace':
      return items.with(index, value);
    case 'remove':
      return items.toSpliced(index, 1);
  }
}

function missing(steps: readonly string[], mode: Mode): UnfitPatch {
  return unprocessable(`${mode} operation does not apply: doc is missing path: /${steps.join('/')}: missing value`);
}
