// The least rules that Sluice's service account needs, by the flags it runs with: as data, for the chart and the tests.
//
// Every request of controller/watch/api and controller/status stands here. `list` and `watch` of Secrets cannot be made
// narrower by rules, because names are only known from Ingresses; what is read of them, and kept, is (docs/design/0007).

/** rbac.authorization.k8s.io/v1 PolicyRule. */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** The flags that decide what is asked for, and where the pod runs. */
export interface RbacOptions {
  readonly podNamespace: string;
  /** '' is all. */
  readonly watchNamespace: string;
  /** '' is none. */
  readonly watchNamespaceSelector: string;
  /** `namespace/name` of what flags name, '' for none. */
  readonly configMaps: readonly string[];
  readonly defaultSslCertificate: string;
  readonly publishService: string;
  readonly publishStatusAddress: readonly string[];
  readonly electionId: string;
  readonly disableLeaderElection: boolean;
  readonly updateStatus: boolean;
  readonly updateStatusOnShutdown: boolean;
  readonly enableTopologyAwareRouting: boolean;
  readonly nodeZone: string;
}

/** Rules of one ClusterRole and of one Role in each namespace named. */
export interface RbacRules {
  readonly cluster: readonly PolicyRule[];
  readonly namespaces: Readonly<Record<string, readonly PolicyRule[]>>;
}

const core = [''];
const networking = ['networking.k8s.io'];

/** Gives the rules. Equal options give equal rules, in the same order. */
export function rbacRules(options: RbacOptions): RbacRules {
  const cluster: PolicyRule[] = [rule(networking, ['ingressclasses'], readVerbs)];
  const namespaces = new Map<string, PolicyRule[]>();
  const inNamespace = (namespace: string, ...rules: readonly PolicyRule[]) => {
    namespaces.set(namespace, [...(namespaces.get(namespace) ?? []), ...rules]);
  };
  const { watchNamespace, podNamespace } = options;
  const inScope = (...rules: readonly PolicyRule[]) => {
    if (watchNamespace === '') cluster.push(...rules);
    else inNamespace(watchNamespace, ...rules);
  };
  inScope(...watchedRules());
  if (options.watchNamespaceSelector !== '') cluster.push(rule(core, ['namespaces'], readVerbs));
  for (const { namespace, policy } of namedOutside(options)) inNamespace(namespace, policy);
  if (!options.disableLeaderElection) {
    inNamespace(podNamespace, ...leaseRules(options.electionId));
    inScope(eventRule);
    for (const namespace of configMapNamespacesOutside(options)) inNamespace(namespace, eventRule);
    if (options.updateStatus) inScope(rule(networking, ['ingresses/status'], ['patch']));
    if (options.updateStatus) addAddressRules(options, cluster, inNamespace);
  }
  // Merged with what the addresses take: a rule that stands twice would only confuse.
  if (options.enableTopologyAwareRouting && options.nodeZone === '') {
    if (!cluster.some(({ resources }) => resources.includes('nodes'))) cluster.push(nodeRule);
    const own = namespaces.get(podNamespace) ?? [];
    if (!own.some(({ resources }) => resources.includes('pods')))
      inNamespace(podNamespace, rule(core, ['pods'], ['get']));
  }
  return { cluster, namespaces: Object.fromEntries(namespaces) };
}

const readVerbs = ['list', 'watch'];
const nodeRule = rule(core, ['nodes'], ['get']);
const eventRule = rule(core, ['events'], ['create', 'patch']);

function watchedRules(): readonly PolicyRule[] {
  return [
    rule(networking, ['ingresses'], readVerbs),
    rule(core, ['services', 'secrets', 'configmaps'], readVerbs),
    rule(['discovery.k8s.io'], ['endpointslices'], readVerbs),
  ];
}

/** A name can be given for `create` in no rule: the object does not exist yet. */
function leaseRules(electionId: string): readonly PolicyRule[] {
  const group = ['coordination.k8s.io'];
  return [
    { ...rule(group, ['leases'], ['get', 'update']), resourceNames: [electionId] },
    rule(group, ['leases'], ['create']),
  ];
}

/** Objects that flags name outside `--watch-namespace`: by name, which a list by `metadata.name` is matched against. */
function namedOutside(options: RbacOptions) {
  const named = (resource: string) => (key: string) => {
    const [namespace = '', name = ''] = key.split('/');
    return { namespace, policy: { ...rule(core, [resource], readVerbs), resourceNames: [name] } };
  };
  return [
    ...outside(options.configMaps, options).map(named('configmaps')),
    ...outside([options.defaultSslCertificate], options).map(named('secrets')),
  ];
}

/** Where Events about ConfigMaps are written beside those about Ingresses. */
function configMapNamespacesOutside(options: RbacOptions): ReadonlySet<string> {
  return new Set(outside(options.configMaps, options).map((key) => key.split('/')[0] ?? ''));
}

function outside(keys: readonly string[], { watchNamespace }: RbacOptions): readonly string[] {
  return keys.filter((key) => key !== '' && watchNamespace !== '' && !key.startsWith(`${watchNamespace}/`));
}

/** What finding the addresses takes, and whether other replicas run. */
function addAddressRules(
  options: RbacOptions,
  cluster: PolicyRule[],
  inNamespace: (namespace: string, ...rules: readonly PolicyRule[]) => void,
): void {
  const { publishService, publishStatusAddress, podNamespace, updateStatusOnShutdown } = options;
  const asksNodes = publishStatusAddress.length === 0 && publishService === '';
  if (publishStatusAddress.length === 0 && publishService !== '') {
    const [namespace = '', name = ''] = publishService.split('/');
    inNamespace(namespace, { ...rule(core, ['services'], ['get']), resourceNames: [name] });
  }
  if (asksNodes) cluster.push(nodeRule);
  if (asksNodes || updateStatusOnShutdown) inNamespace(podNamespace, rule(core, ['pods'], ['get', 'list']));
}

function rule(apiGroups: readonly string[], resources: readonly string[], verbs: readonly string[]): PolicyRule {
  return { apiGroups, resources, verbs };
}
