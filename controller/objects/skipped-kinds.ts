// Kinds that stand in every folder of manifests and that Sluice rightly does not read. They are skipped with severity
// `info`, where a kind that nobody knows is a `warning`: it may be a typing error of one that routes traffic.

/** Kubernetes' own kinds, and those of tools whose files usually lie beside manifests. */
const skippedKinds: ReadonlySet<string> = new Set([
  // Workloads and what they mount
  ...[
    'Pod',
    'PodTemplate',
    'ReplicationController',
    'Deployment',
    'ReplicaSet',
    'StatefulSet',
    'DaemonSet',
    'Job',
    'CronJob',
  ],
  ...[
    'PersistentVolume',
    'PersistentVolumeClaim',
    'StorageClass',
    'VolumeAttachment',
    'VolumeSnapshot',
    'VolumeSnapshotClass',
  ],
  ...['CSIDriver', 'CSINode', 'CSIStorageCapacity', 'ControllerRevision'],
  // Network: Endpoints are the older form of EndpointSlice, which a cluster mirrors
  ...['Endpoints', 'NetworkPolicy', 'IPAddress', 'ServiceCIDR'],
  // Identity and access
  ...['ServiceAccount', 'Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding', 'CertificateSigningRequest'],
  ...['PodSecurityPolicy', 'ClusterTrustBundle'],
  // Scaling, scheduling, quotas
  ...[
    'HorizontalPodAutoscaler',
    'VerticalPodAutoscaler',
    'PodDisruptionBudget',
    'PriorityClass',
    'RuntimeClass',
    'Lease',
  ],
  ...['LimitRange', 'ResourceQuota', 'FlowSchema', 'PriorityLevelConfiguration', 'Node', 'Event', 'ComponentStatus'],
  ...['ResourceClaim', 'ResourceClaimTemplate', 'ResourceSlice', 'DeviceClass'],
  // The API itself
  ...['CustomResourceDefinition', 'APIService', 'MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'],
  ...[
    'ValidatingAdmissionPolicy',
    'ValidatingAdmissionPolicyBinding',
    'MutatingAdmissionPolicy',
    'MutatingAdmissionPolicyBinding',
  ],
  // Gateway API: a later version of Sluice may read it
  ...['Gateway', 'GatewayClass', 'HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute', 'ReferenceGrant'],
  // Tools
  ...[
    'Kustomization',
    'Component',
    'HelmRelease',
    'HelmChart',
    'Application',
    'ServiceMonitor',
    'PodMonitor',
    'PrometheusRule',
  ],
  ...['Certificate', 'CertificateRequest', 'Issuer', 'ClusterIssuer', 'ExternalSecret', 'SealedSecret'],
]);

/** True for a kind that is known and has nothing to do with routing as Sluice does it. */
export function isSkippedKind(kind: string): boolean {
  return skippedKinds.has(kind);
}
