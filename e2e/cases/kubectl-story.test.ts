// What a person does with kubectl while traffic runs, with the webhook on: apply the demo, look at it, change, scale,
// delete. Each step takes effect, and no request fails from the first to the last.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Answer, ask } from '../harness/ask.ts';
import { demoManifests } from '../harness/demo-manifests.ts';
import { type DeploymentRun, runDeployment } from '../harness/deployment.ts';
import { freePort } from '../harness/free-port.ts';
import { findKubectl, Kubectl, type KubectlOutcome } from '../harness/kubectl.ts';
import { machineAddress } from '../harness/machine-address.ts';
import { type Pod, startPod } from '../harness/pods.ts';
import { publishedAddress, Scene } from '../harness/scene.ts';
import { SteadyLoad } from '../harness/steady-load.ts';
import { until } from '../harness/wait.ts';
import { ingressYaml } from '../harness/web.ts';
import { prepareWebhook, type Webhook } from '../harness/webhook.ts';

const path = findKubectl();
const address = machineAddress();
const canRun = path !== null && address !== null;
if (!canRun)
  console.warn('e2e/cases/kubectl-story.test.ts is skipped: it needs kubectl and an address besides loopback');

/** The demo has a catch-all: what is answered at all says little, who answered says it. */
const isShop = ({ status, body }: Answer) => status === 200 && body.startsWith('shop-');
const isNotShop = (answer: Answer) => !isShop(answer);
const isDemo = ({ status, body }: Answer) => status === 200 && body === 'demo';
const isNobody = ({ status }: Answer) => status === 404;

(canRun ? describe : describe.skip)('kubectl, with the webhook on and traffic running', () => {
  let scene: Scene;
  let shop: DeploymentRun;
  let demoPod: Pod;
  let webhook: Webhook;
  let cli: Kubectl;
  let httpPort: number;

  /** kubectl in the namespace of the applications. */
  const kubectl = (...args: readonly string[]) => cli.run(['-n', scene.namespace, ...args]);
  const tryApply = (yaml: string, ...flags: readonly string[]): Promise<KubectlOutcome> =>
    cli.try(['-n', scene.namespace, 'apply', ...flags, '-f', '-'], { input: scene.fill(yaml) });
  const answerOf = (host: string, route = '/') => ask(httpPort, host, route);
  const becomes = (what: string, host: string, fits: (answer: Answer) => boolean, route = '/') =>
    until(what, () => answerOf(host, route), fits);

  beforeAll(async () => {
    scene = await Scene.open({ flags: ['--watch-ingress-without-class=false'] });
    cli = new Kubectl(path ?? '', scene.backend.kubeconfigPath, scene.folder);
    [webhook, demoPod] = await Promise.all([prepareWebhook(scene, await freePort()), startPod('demo')]);
    shop = await runDeployment(scene, 'shop', 2);
    const { process } = await scene.startSluice(webhook.flags);
    ({ httpPort } = await process.serving());
  }, 120_000);

  afterAll(async () => {
    await shop[Symbol.asyncDispose]();
    await scene[Symbol.asyncDispose]();
    await demoPod[Symbol.asyncDispose]();
    expect(scene.refused).toEqual([]);
  }, 60_000);

  async function applyBeforeTheWebhook(): Promise<void> {
    expect(await tryApply(ingressYaml('shop', { service: 'shop' }))).toMatchObject({ code: 0 });
    await becomes('the shop', 'shop.test', isShop);
    // Nobody hinders these yet: the first claims what is taken, the second says what cannot be.
    expect(await tryApply(ingressYaml('rival', { service: 'shop', host: 'shop.test' }))).toMatchObject({ code: 0 });
    expect(await tryApply(brokenYaml)).toMatchObject({ code: 0 });
    await webhook.register();
  }

  async function applyTheDemo(): Promise<void> {
    const place = {
      namespace: scene.namespace,
      className: scene.className,
      address: address ?? '',
      port: demoPod.port,
    };
    const file = join(scene.folder, 'demo.yaml');
    await writeFile(file, await demoManifests(place));
    const applied = await kubectl('apply', '-f', file);
    expect(applied).toContain('ingress.networking.k8s.io/whoami created');
    await becomes('the demo', 'whoami.localhost', isDemo);
    await becomes('its wildcard', 'any.wild.localhost', isDemo);
    expect((await answerOf('site.localhost')).status).toBe(308);
  }

  async function lookAtIt(): Promise<void> {
    const addressOf = async (name: string) =>
      (await kubectl('get', 'ingress', name, '--no-headers')).trim().split(/\s+/)[3] ?? '';
    for (const name of ['whoami', 'site', 'shop']) {
      await until(
        `the address of ${name}`,
        () => addressOf(name),
        (text) => text === publishedAddress,
      );
    }
    const describeUntil = (name: string, pattern: RegExp) =>
      until(
        `${pattern} of ${name}`,
        () => kubectl('describe', 'ingress', name),
        (text) => pattern.test(text),
      );
    await describeUntil('whoami', /Normal\s+Sync\s.*Scheduled for sync/);
    await describeUntil('broken', /Warning\s+Rejected\s/);
    await describeUntil('rival', /Warning\s+\S+\s.*shop\.test/);
  }

  async function beRefusedAndWarned(): Promise<void> {
    const duplicate = await tryApply(ingressYaml('copy', { service: 'shop', host: 'shop.test' }));
    expect(duplicate.code).toBe(1);
    expect(duplicate.stderr).toContain('admission webhook "validate.sluice.test" denied the request');
    expect(duplicate.stderr).toMatch(/host "shop\.test" and path "\/" is already defined in ingress \S+\/shop/);
    expect(await kubectl('get', 'ingress', 'copy', '--ignore-not-found')).toBe('');
    const annotations = { 'nginx.ingress.kubernetes.io/server-aliases': 'x.test' };
    const unknown = await tryApply(ingressYaml('warned', { service: 'shop', annotations }));
    expect(unknown).toMatchObject({ code: 0, stderr: expect.stringMatching(/^Warning: .*server-aliases/) });
    await becomes('what was admitted with a warning', 'warned.test', isShop);
  }

  async function change(): Promise<void> {
    // patch
    const patch = [{ op: 'replace', path: '/spec/rules/0/host', value: 'patched.test' }];
    await kubectl('patch', 'ingress', 'warned', '--type=json', '-p', JSON.stringify(patch));
    await becomes('the patched host', 'patched.test', isShop);
    await becomes('the host before', 'warned.test', isNotShop);
    // edit
    const env = { KUBE_EDITOR: 'sed -i s/patched.test/edited.test/' };
    await cli.run(['-n', scene.namespace, 'edit', 'ingress', 'warned'], { env });
    await becomes('the edited host', 'edited.test', isShop);
    await becomes('the host before', 'patched.test', isNotShop);
    // apply
    const applied = await tryApply(ingressYaml('warned', { service: 'shop', host: 'applied.test' }));
    expect(applied.stdout).toContain('configured');
    await becomes('the applied host', 'applied.test', isShop);
    await becomes('the host before', 'edited.test', isNotShop);
  }

  /** A new pod is asked, one that left is not. */
  async function scale(): Promise<void> {
    const seen = async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => answerOf('shop.test')));
      return [...new Set(answers.map(({ body }) => body))].sort();
    };
    for (const replicas of [4, 1, 3]) {
      await kubectl('scale', 'deployment', 'shop', `--replicas=${replicas}`);
      await until(
        'the pods',
        () => shop.pods.length,
        (count) => count === replicas,
      );
      await until(`answers of ${replicas} pods`, seen, (names) => names.join() === [...shop.pods].sort().join());
    }
  }

  async function deleteThings(): Promise<void> {
    await kubectl('delete', 'ingress', 'warned');
    await becomes('a host that was deleted', 'applied.test', isNotShop);
    await kubectl('delete', '-f', join(scene.folder, 'demo.yaml'));
    await becomes('the demo, which was deleted', 'whoami.localhost', isNobody);
  }

  test('no request fails', async () => {
    await applyBeforeTheWebhook();
    await using load = new SteadyLoad(httpPort, 'shop.test');
    await applyTheDemo();
    await lookAtIt();
    await beRefusedAndWarned();
    await change();
    await scale();
    await deleteThings();
    const { answers, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(answers).toBeGreaterThan(100);
  }, 180_000);
});

/** Its snippet is refused as a whole. */
const brokenYaml = ingressYaml('broken', {
  service: 'shop',
  annotations: { 'nginx.ingress.kubernetes.io/configuration-snippet': 'return 200;' },
});
