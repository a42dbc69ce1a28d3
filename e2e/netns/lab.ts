// A small cluster network out of network namespaces, on one machine:
//
//   fabric (a bridge) --+-- this process: 198.18.x.1 for clients, 198.18.x.2 for the API server
//                       +-- hosts beside the cluster, a load balancer
//                       +-- node-1 (a bridge with the node's address) --+-- pod networks
//                       +-- node-2 ...
//
// All addresses are of one flat network, as an overlay shows it to pods. A node is cut off at its port of the fabric:
// it still reaches its own pods. Packets that meet a cut vanish without a word, as on a broken wire.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Claim, claimBlock } from './claim.ts';
import { ip, run, tryIp } from './commands.ts';

/** Host numbers in the /22 of the lab. */
const CLIENT = 1;
const API_SERVER = 2;
const FIRST_HOST = 10;
const FIRST_NODE = 20;
const FIRST_POD = 256;
const PREFIX_BITS = 22;

/** A namespace with one address, for a pod or a host beside the cluster. */
export interface LabHost {
  readonly namespace: string;
  readonly address: string;
}

export class Lab {
  /** For this process as a client; also a real address of this machine for servers. */
  readonly clientAddress: string;
  /** Where the API server is to listen. */
  readonly apiAddress: string;
  /** A folder for files of this lab. */
  readonly dir: string;
  readonly nodes: LabNode[] = [];
  readonly #claim: Claim;
  #hosts = 0;
  #pods = 0;

  private constructor(claim: Claim, dir: string) {
    this.#claim = claim;
    this.dir = dir;
    this.clientAddress = claim.address(CLIENT);
    this.apiAddress = claim.address(API_SERVER);
  }

  static async create(): Promise<Lab> {
    const lab = new Lab(await claimBlock(), await mkdtemp(join(tmpdir(), 'sluice-lab-')));
    try {
      await lab.#makeFabric();
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Ends all processes of the lab and removes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#claim.release();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** Adds a node with room for so many pods. */
  async addNode(name: string, pods: number): Promise<LabNode> {
    const namespace = this.#nameOf(name);
    const address = this.#claim.address(FIRST_NODE + this.nodes.length);
    await addNamespace(namespace);
    await ip(this.#fabric, `link add ${name} type veth peer name uplink netns ${namespace}`);
    await ip(
      namespace,
      // Without a fixed one, a bridge takes the least of its ports' addresses, and changes it with them.
      `link add cni0 address ${hardwareAddress(address)} type bridge`,
      `addr add ${address}/${PREFIX_BITS} dev cni0`,
      'link set uplink master cni0 up',
      'link set cni0 up',
      // Where packets vanish, see `cutOff`: a bridge without ports throws all away.
      'link add nowhere type bridge',
      'link set nowhere arp off up',
      `route add default dev nowhere table ${LOST_TABLE}`,
    );
    await setReversePathFilter(namespace);
    await ip(this.#fabric, `link set ${name} master fabric up`);
    const node = new LabNode(name, namespace, address, this.#fabric);
    for (let i = 0; i < pods; i++) node.podNetworks.push(await this.#addPodNetwork(node));
    this.nodes.push(node);
    return node;
  }

  /** Adds a machine beside the nodes. */
  async addHost(name: string): Promise<LabHost> {
    const namespace = this.#nameOf(name);
    const address = this.#claim.address(FIRST_HOST + this.#hosts++);
    await addNamespace(namespace);
    await ip(this.#fabric, `link add ${name} type veth peer name eth0 netns ${namespace}`);
    await ip(this.#fabric, `link set ${name} master fabric up`);
    await ip(namespace, ...addressCommands(address));
    return { namespace, address };
  }

  /**
   * Prepares a program of `programs/` and returns its path. Types are stripped here, once: doing it at each start would
   * cost more than all else a pod does.
   */
  async program(name: string): Promise<string> {
    const source = await readFile(new URL(`./programs/${name}.ts`, import.meta.url), 'utf8');
    const path = join(this.dir, `${name}.mjs`);
    await writeFile(path, stripTypeScriptTypes(source));
    return path;
  }

  get #fabric(): string {
    return this.#nameOf('fabric');
  }

  #nameOf(name: string): string {
    return `${this.#claim.prefix}-${name}`;
  }

  async #makeFabric(): Promise<void> {
    const { hostInterface } = this.#claim;
    await addNamespace(this.#fabric);
    await ip(null, `link add ${hostInterface} type veth peer name outside netns ${this.#fabric}`);
    await ip(
      this.#fabric,
      `link add fabric address ${hardwareAddress(this.#claim.address(0))} type bridge`,
      'link set fabric up',
      'link set outside master fabric up',
    );
    await ip(
      null,
      ...[this.clientAddress, this.apiAddress].map(
        (address) => `addr add ${address}/${PREFIX_BITS} dev ${hostInterface}`,
      ),
      `link set ${hostInterface} up`,
    );
  }

  async #addPodNetwork(node: LabNode): Promise<PodNetwork> {
    const number = this.#pods++;
    const namespace = this.#nameOf(`pod-${number}`);
    const address = this.#claim.address(FIRST_POD + number);
    await addNamespace(namespace);
    await ip(node.namespace, `link add pod${number} type veth peer name eth0 netns ${namespace}`);
    await ip(node.namespace, `link set pod${number} master cni0 up`);
    await ip(namespace, ...addressCommands(address));
    return new PodNetwork(node, namespace, address);
  }
}

/** Routes of connections that are lost go here, see `loseConnections`. */
const LOST_TABLE = 77;

export class LabNode {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  /** Networks for pods, free and used. */
  readonly podNetworks: PodNetwork[] = [];
  readonly #fabric: string;

  constructor(name: string, namespace: string, address: string, fabric: string) {
    this.name = name;
    this.namespace = namespace;
    this.address = address;
    this.#fabric = fabric;
  }

  /** Pulls the node's wire: it reaches its own pods and nothing else. */
  async disconnect(): Promise<void> {
    await ip(this.#fabric, `link set ${this.name} down`);
  }

  async connect(): Promise<void> {
    await ip(this.#fabric, `link set ${this.name} up`);
  }

  /** Packets between the node and one address vanish, both ways. Its pods are not concerned. */
  async cutOff(address: string): Promise<void> {
    // The way out leads nowhere; what comes in from there came the wrong way (rp_filter) and is dropped too.
    await ip(this.namespace, `route add ${address}/32 dev nowhere src ${this.address}`);
  }

  /** Ends {@link cutOff}. Does nothing when there was none. */
  async restore(address: string): Promise<void> {
    await tryIp(this.namespace, `route del ${address}/32 dev nowhere`);
  }

  /**
   * All connections of this moment from the node to the address lose every packet from now on, without an end; new ones
   * work. What a firewall does that has forgotten them. Returns how many.
   */
  async loseConnections(address: string): Promise<number> {
    const sockets = await run('nsenter', [
      `--net=/run/netns/${this.namespace}`,
      'ss',
      ...['-Htn', 'state', 'established', 'dst', address],
    ]);
    const ports = [...sockets.matchAll(/:(\d+)\s+\S+\s*$/gm)].map(([, port]) => port);
    await ip(
      this.namespace,
      ...ports.map((port) => `rule add to ${address}/32 ipproto tcp sport ${port} lookup ${LOST_TABLE}`),
    );
    return ports.length;
  }

  /** Forgets what {@link loseConnections} did. */
  async forgetLost(): Promise<void> {
    await run('ip', ['-n', this.namespace, 'rule', 'flush', 'table', String(LOST_TABLE)]).catch(() => {});
  }
}

/** The network of one pod at a time, as a CNI plugin makes it; addresses are used again by later pods. */
export class PodNetwork implements LabHost {
  readonly node: LabNode;
  readonly namespace: string;
  readonly address: string;

  constructor(node: LabNode, namespace: string, address: string) {
    this.node = node;
    this.namespace = namespace;
    this.address = address;
  }

  /** The pod's sandbox is gone: packets to its address get no answer of any kind. */
  async takeDown(): Promise<void> {
    await ip(this.namespace, 'link set eth0 down');
  }

  async bringUp(): Promise<void> {
    await ip(this.namespace, 'link set eth0 up');
  }
}

async function addNamespace(name: string): Promise<void> {
  // Not by `-batch`: it would go on in the new namespace.
  await run('ip', ['netns', 'add', name]);
  await ip(name, 'link set lo up');
}

function addressCommands(address: string): readonly string[] {
  return [
    `link set eth0 address ${hardwareAddress(address)}`,
    `addr add ${address}/${PREFIX_BITS} dev eth0`,
    'link set eth0 up',
  ];
}

async function setReversePathFilter(namespace: string): Promise<void> {
  const path = '/proc/sys/net/ipv4/conf/all/rp_filter';
  await run('nsenter', [`--net=/run/netns/${namespace}`, 'sh', '-c', `echo 1 > ${path}`]);
}

/** A locally administered one that follows from the IP address, so that no ARP cache is ever wrong. */
function hardwareAddress(address: string): string {
  const bytes = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return ['02', '5c', ...bytes].join(':');
}
