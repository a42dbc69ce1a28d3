// Which port of a Service an Ingress means (routing-semantics §7).

import type { Service, ServicePort } from '../objects/types.ts';
import type { BackendUse } from './host-plan.ts';

/**
 * Finds the first ServicePort whose number, targetPort or name equals what the Ingress says, as ingress-nginx compares
 * them (controller.go, serviceEndpoints). Deviation from the Ingress spec, kept for parity: `number: 8080` also finds
 * a port 80 whose targetPort is 8080. Null when no port fits.
 */
export function findServicePort(service: Service, use: BackendUse): ServicePort | null {
  if (use.portKind === 'none') return null;
  const { port: wanted } = use;
  return (
    service.ports.find(
      ({ port, targetPort, name }) => String(port) === wanted || String(targetPort) === wanted || name === wanted,
    ) ?? null
  );
}

/**
 * Port number to use on an ExternalName Service: a ServicePort's numeric targetPort (its port when targetPort is a name);
 * a number the Service does not list counts by itself, since such Services usually list no ports. Null for an unknown name.
 */
export function externalPort(service: Service, use: BackendUse): number | null {
  const listed = service.ports.find(({ port, name }) =>
    use.portKind === 'number' ? String(port) === use.port : use.portKind === 'name' && name === use.port,
  );
  if (listed !== undefined) return typeof listed.targetPort === 'number' ? listed.targetPort : listed.port;
  return use.portKind === 'number' ? Number(use.port) : null;
}

/** Port number on the ClusterIP for `service-upstream`: a number counts by itself, a name is looked up; null when unknown. */
export function clusterIpPort(service: Service, use: BackendUse): number | null {
  if (use.portKind === 'number') return Number(use.port);
  return service.ports.find(({ name }) => use.portKind === 'name' && name === use.port)?.port ?? null;
}
