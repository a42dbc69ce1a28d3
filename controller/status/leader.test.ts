// Leader election: what is decided about a Lease, and the loop that does it, on a clock turned by hand.

import { describe, expect, test } from '@jest/globals';
import {
  type ScriptedRequest,
  ScriptedTransport,
  settle,
  statusObject,
} from '../watch/api/testing/scripted-transport.ts';
import { FakeClock } from '../watch/testing/fake-clock.ts';
import { silentLog } from '../watch/testing/watched-folder.ts';
import { LeaderElection } from './leader.ts';
import { decideLease, microTime, readLease, renderLease, sightLease } from './lease.ts';

const WALL_MS = Date.UTC(2026, 0, 31, 9, 30, 0, 795);

function leaseObject(holder: string, resourceVersion: string, transitions = 3) {
  return {
    metadata: { namespace: 'edge', name: 'leader', resourceVersion, labels: { kept: 'yes' } },
    spec: {
      holderIdentity: holder,
      leaseDurationSeconds: 30,
      acquireTime: '2026-01-01T00:00:00.000000Z',
      renewTime: '2026-01-01T00:00:00.000000Z',
      leaseTransitions: transitions,
      strategy: 'kept',
    },
  };
}

describe('decisions', () => {
  test.each([
    ['there is none', null, 0, 'create'],
    ['it is ours', 'me', 0, 'renew'],
    ['it is ours and ran out', 'me', 99_000, 'renew'],
    ['it was released', '', 0, 'acquire'],
    ['another holds it', 'you', 29_999, 'wait'],
    ['it did not change for its duration', 'you', 30_000, 'acquire'],
  ])('%s', (_, holder, ageMs, want) => {
    const sighting = holder === null ? null : { lease: readLease(leaseObject(holder, '1')), changedAtMs: 1000 };
    expect(decideLease(sighting, 'me', 1000 + ageMs)).toBe(want);
  });

  test('the age counts from the last change that was seen, whatever the times in it', () => {
    const first = sightLease(null, readLease(leaseObject('you', '1')), 1000);
    expect(sightLease(first, readLease(leaseObject('you', '1')), 9000).changedAtMs).toBe(1000);
    expect(sightLease(first, readLease(leaseObject('you', '2')), 9000).changedAtMs).toBe(9000);
  });

  test('times have six digits: an API server refuses three', () => {
    expect(microTime(WALL_MS)).toBe('2026-01-31T09:30:00.795000Z');
  });

  const write = { namespace: 'edge', name: 'leader', durationMs: 1500, wallMs: WALL_MS };
  const now = '2026-01-31T09:30:00.795000Z';
  test.each([
    ['created', 'me', null, { leaseDurationSeconds: 2, acquireTime: now, renewTime: now, leaseTransitions: 0 }],
    ['taken', 'me', 'you', { leaseDurationSeconds: 2, acquireTime: now, renewTime: now, leaseTransitions: 4 }],
    [
      'renewed',
      'me',
      'me',
      { leaseDurationSeconds: 2, acquireTime: '2026-01-01T00:00:00.000000Z', renewTime: now, leaseTransitions: 3 },
    ],
    ['released', '', 'me', { leaseDurationSeconds: 1, acquireTime: now, renewTime: now, leaseTransitions: 3 }],
  ])('%s', (_, holder, earlier, want) => {
    const before = earlier === null ? null : readLease(leaseObject(earlier, '7'));
    const lease = renderLease({ ...write, holder, before });
    expect(lease['spec']).toMatchObject({ holderIdentity: holder, ...want });
    if (before === null) return;
    // What others wrote is kept, and the version makes the server notice a race.
    expect(lease).toMatchObject({
      metadata: { resourceVersion: '7', labels: { kept: 'yes' } },
      spec: { strategy: 'kept' },
    });
  });
});

class Candidate implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly transport = new ScriptedTransport();
  readonly story: string[] = [];
  readonly election: LeaderElection;

  constructor() {
    this.election = new LeaderElection({
      transport: this.transport,
      lease: { namespace: 'edge', name: 'leader' },
      identity: 'me',
      ttlMs: 40_000,
      onElected: () => this.story.push('elected'),
      onLost: () => this.story.push('lost'),
      clock: this.clock,
      wallMs: () => WALL_MS,
      random: () => 0,
      log: silentLog,
    });
    this.election.start();
  }

  async elected(): Promise<void> {
    (await this.transport.take()).answer(404, statusObject(404, 'NotFound', 'no lease'));
    const create = await this.transport.take();
    expect([create.method, create.path]).toEqual(['POST', '/apis/coordination.k8s.io/v1/namespaces/edge/leases']);
    create.answer(201, leaseObject('me', '1'));
    await settle();
    expect(this.story).toEqual(['elected']);
  }

  /** The request of the next round, a quarter of the ttl later. */
  async nextRound(): Promise<ScriptedRequest> {
    await settle();
    this.clock.advance(10_000);
    return await this.transport.take();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closing = this.election.close();
    (await this.transport.takeIfAny())?.fail();
    await closing;
  }
}

describe('the loop', () => {
  test('a leader renews every quarter of the ttl with one request', async () => {
    await using candidate = new Candidate();
    await candidate.elected();
    for (const version of ['1', '2', '3']) {
      const renewal = await candidate.nextRound();
      expect([renewal.method, renewal.body]).toMatchObject(['PUT', { metadata: { resourceVersion: version } }]);
      renewal.answer(200, leaseObject('me', String(Number(version) + 1)));
    }
    await settle();
    expect(candidate.story).toEqual(['elected']);
    expect(candidate.transport.requests).toHaveLength(5);
  });

  test('a leader that cannot renew gives up after half the ttl, before another may begin', async () => {
    await using candidate = new Candidate();
    await candidate.elected();
    (await candidate.nextRound()).fail();
    await settle();
    candidate.clock.advance(9999);
    await settle();
    expect(candidate.election.isLeader).toBe(true);
    candidate.clock.advance(1);
    expect(candidate.story).toEqual(['elected', 'lost']);
  });

  test('a renewal without an answer is given up, too', async () => {
    await using candidate = new Candidate();
    await candidate.elected();
    const hanging = await candidate.nextRound();
    await settle();
    candidate.clock.advance(10_000);
    await settle();
    expect(hanging.isAborted).toBe(true);
    expect(candidate.election.isLeader).toBe(false);
  });

  test('a Lease changed by a person is read again and kept', async () => {
    await using candidate = new Candidate();
    await candidate.elected();
    (await candidate.nextRound()).answer(409, statusObject(409, 'Conflict', 'modified'));
    (await candidate.transport.take(({ method }) => method === 'GET')).answer(200, leaseObject('me', '9'));
    const renewal = await candidate.transport.take();
    expect(renewal.body).toMatchObject({ metadata: { resourceVersion: '9' } });
    renewal.answer(200, leaseObject('me', '10'));
    await settle();
    expect(candidate.story).toEqual(['elected']);
  });

  test('a Lease taken by another ends the leadership', async () => {
    await using candidate = new Candidate();
    await candidate.elected();
    (await candidate.nextRound()).answer(409, statusObject(409, 'Conflict', 'modified'));
    (await candidate.transport.take()).answer(200, leaseObject('you', '9'));
    await settle();
    expect(candidate.story).toEqual(['elected', 'lost']);
    expect(candidate.election.leader).toBe('you');
  });

  test('a follower takes a Lease that stands still, and only then', async () => {
    await using candidate = new Candidate();
    (await candidate.transport.take()).answer(200, leaseObject('you', '1'));
    for (let round = 0; round < 2; round += 1) (await candidate.nextRound()).answer(200, leaseObject('you', '1'));
    await settle();
    expect(candidate.transport.requests.every(({ method }) => method === 'GET')).toBe(true);
    // 30 s of the Lease's own duration.
    (await candidate.nextRound()).answer(200, leaseObject('you', '1'));
    const take = await candidate.transport.take();
    expect([take.method, take.body]).toMatchObject(['PUT', { spec: { holderIdentity: 'me', leaseTransitions: 4 } }]);
    take.answer(200, leaseObject('me', '2', 4));
    await settle();
    expect(candidate.story).toEqual(['elected']);
  });

  test('two that see the same Lease run out: the slower one is refused and waits', async () => {
    await using candidate = new Candidate();
    (await candidate.transport.take()).answer(200, leaseObject('', '1'));
    (await candidate.transport.take()).answer(409, statusObject(409, 'Conflict', 'modified'));
    await settle();
    expect(candidate.story).toEqual([]);
    expect(await candidate.transport.takeIfAny()).toBeNull();
  });

  test('the Lease is given free at the end', async () => {
    const candidate = new Candidate();
    await candidate.elected();
    const closing = candidate.election.close();
    const release = await candidate.transport.take();
    expect([release.method, release.body]).toMatchObject([
      'PUT',
      { spec: { holderIdentity: '', leaseDurationSeconds: 1 }, metadata: { resourceVersion: '1' } },
    ]);
    release.answer(200, leaseObject('', '2'));
    await closing;
    expect(candidate.story).toEqual(['elected', 'lost']);
    expect(candidate.clock.pending).toBe(0);
  });

  test('a follower leaves without a word', async () => {
    const candidate = new Candidate();
    (await candidate.transport.take()).answer(200, leaseObject('you', '1'));
    await candidate.election.close();
    expect(candidate.transport.requests).toHaveLength(1);
  });
});
