// The demo folder, moved into the namespace, class and pods of a run: its endpoints are on loopback, which only a folder
// of manifests may have.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { readManifests } from './admin.ts';
import type { Manifest } from './kinds.ts';

const folder = join(import.meta.dirname, '../../demo/manifests');

export interface DemoPlace {
  readonly namespace: string;
  readonly className: string;
  /** Where every endpoint is. */
  readonly address: string;
  readonly port: number;
}

/** YAML of everything but the Namespace and the IngressClass, which a run has already. */
export async function demoManifests(place: DemoPlace): Promise<string> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort();
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
  const objects = texts.flatMap((text) => readManifests(text));
  const moved = objects.filter(({ kind }) => kind !== 'Namespace' && kind !== 'IngressClass');
  return moved.map((object) => stringify(move(object, place))).join('---\n');
}

function move(object: Manifest, { namespace, className, address, port }: DemoPlace): object {
  const metadata = { ...object.metadata, namespace };
  if (object.kind === 'Ingress') {
    return { ...object, metadata, spec: { ...(object['spec'] as object), ingressClassName: className } };
  }
  if (object.kind !== 'EndpointSlice') return { ...object, metadata };
  const ports = object['ports'] as readonly object[];
  const endpoints = object['endpoints'] as readonly object[];
  return {
    ...object,
    metadata,
    ports: ports.map((one) => ({ ...one, port })),
    endpoints: endpoints.map((one) => ({ ...one, addresses: [address] })),
  };
}
