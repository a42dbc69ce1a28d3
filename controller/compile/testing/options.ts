// Process options for property tests.

import fc from 'fast-check';
import type { CompileOptions } from '../types.ts';
import { defaultOptions } from './golden.ts';

/** Options that name objects of `clusterObjects`, or none. */
export const arbitraryOptions: fc.Arbitrary<CompileOptions> = fc
  .record({
    watchIngressWithoutClass: fc.boolean(),
    disableCatchAll: fc.boolean(),
    deepInspect: fc.boolean(),
    enableTopologyAwareRouting: fc.boolean(),
    nodeZone: fc.constant('zone-a'),
    configMap: fc.constantFrom('', 'default/settings'),
    tcpServicesConfigMap: fc.constantFrom('', 'default/tcp'),
    udpServicesConfigMap: fc.constantFrom('', 'default/udp'),
    enableSslPassthrough: fc.boolean(),
    defaultBackendService: fc.constantFrom('', 'default/web', 'a/c'),
    defaultSslCertificate: fc.constantFrom('', 'default/one', 'nonsense'),
  })
  .map((changed) => ({ ...defaultOptions, ...changed }));
