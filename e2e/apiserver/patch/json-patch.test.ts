// Cases of RFC 6902, Appendix A, and what a server adds to them.

import { expect, test } from '@jest/globals';
import type { Json } from '../objects.ts';
import { applyJsonPatch, UnfitPatch } from './json-patch.ts';

test.each<[string, Json, Json, Json]>([
  ['add a member', { foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { foo: 'bar', baz: 'qux' }],
  [
    'add an item',
    { foo: ['bar', 'baz'] },
    [{ op: 'add', path: '/foo/1', value: 'qux' }],
    { foo: ['bar', 'qux', 'baz'] },
  ],
  ['append an item', { foo: ['bar'] }, [{ op: 'add', path: '/foo/-', value: ['abc'] }], { foo: ['bar', ['abc']] }],
  ['remove a member', { baz: 'qux', foo: 'bar' }, [{ op: 'remove', path: '/baz' }], { foo: 'bar' }],
  ['remove an item', { foo: ['bar', 'qux', 'baz'] }, [{ op: 'remove', path: '/foo/1' }], { foo: ['bar', 'baz'] }],
  ['replace', { baz: 'qux', foo: 'bar' }, [{ op: 'replace', path: '/baz', value: 'boo' }], { baz: 'boo', foo: 'bar' }],
  ['replace the whole', { a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }], { b: 2 }],
  [
    'move a member',
    { foo: { bar: 'baz', waldo: 'fred' }, qux: {} },
    [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
    { foo: { bar: 'baz' }, qux: { thud: 'fred' } },
  ],
  [
    'move an item',
    { foo: ['all', 'grass', 'cows', 'eat'] },
    [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
    { foo: ['all', 'cows', 'eat', 'grass'] },
  ],
  ['copy', { a: [1] }, [{ op: 'copy', from: '/a', path: '/b' }], { a: [1], b: [1] }],
  [
    'test and go on',
    { a: { b: [1, 2] } },
    [
      { op: 'test', path: '/a', value: { b: [1, 2] } },
      { op: 'remove', path: '/a/b' },
    ],
    { a: {} },
  ],
  [
    'names with / and ~',
    { '/': 9, '~1': 10 },
    [
      { op: 'replace', path: '/~01', value: 1 },
      { op: 'replace', path: '/~1', value: 2 },
    ],
    { '/': 2, '~1': 1 },
  ],
])('%s', (_name, target, patch, want) => {
  const before = structuredClone(target);
  expect(applyJsonPatch(target, patch)).toEqual(want);
  expect(target).toEqual(before);
});

test.each<[string, Json, Json]>([
  ['test of another value', { a: 1 }, [{ op: 'test', path: '/a', value: 2 }]],
  ['remove of what is not there', {}, [{ op: 'remove', path: '/a' }]],
  ['replace of what is not there', {}, [{ op: 'replace', path: '/a', value: 1 }]],
  ['add below what is not there', {}, [{ op: 'add', path: '/a/b', value: 1 }]],
  ['add beyond the end', { a: [] }, [{ op: 'add', path: '/a/1', value: 1 }]],
  ['item by a name', { a: [1] }, [{ op: 'remove', path: '/a/x' }]],
  ['copy of what is not there', {}, [{ op: 'copy', from: '/a', path: '/b' }]],
])('%s does not fit', (_name, target, patch) => {
  expect(() => applyJsonPatch(target, patch)).toThrow(UnfitPatch);
});

test.each<[string, Json]>([
  ['an object', {}],
  ['an unknown operation', [{ op: 'double', path: '/a' }]],
  ['a pointer without /', [{ op: 'add', path: 'a', value: 1 }]],
])('%s is no patch', (_name, patch) => {
  expect(() => applyJsonPatch({}, patch)).toThrow(expect.objectContaining({ code: 400 }));
});
