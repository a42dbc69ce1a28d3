// The order of idle connections against a plain array.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type IdleLinks, IdleOrder } from './idle-order.ts';

class Connection implements IdleLinks<Connection> {
  olderIdle: Connection | null = null;
  newerIdle: Connection | null = null;
}

test('the oldest is the one that came first of those that are left', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 9 }), { maxLength: 60 }), (steps) => {
      const all = Array.from({ length: 10 }, () => new Connection());
      const order = new IdleOrder<Connection>();
      const expected: Connection[] = [];
      for (const step of steps) {
        const connection = all[step] as Connection;
        const at = expected.indexOf(connection);
        if (at === -1) {
          expected.push(connection);
          order.add(connection);
        } else {
          expected.splice(at, 1);
          order.remove(connection);
        }
        expect(order.oldest).toBe(expected[0] ?? null);
        expect(order.size).toBe(expected.length);
      }
      // Forwards and backwards: what is linked is what is left.
      const seen: Connection[] = [];
      for (let each = order.oldest; each !== null; each = each.newerIdle) seen.push(each);
      expect(seen).toEqual(expected);
      expect(all.every((each) => expected.includes(each) || (each.olderIdle ?? each.newerIdle) === null)).toBe(true);
    }),
  );
});
