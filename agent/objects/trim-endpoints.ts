// Reading v1 Endpoints, which API servers before 1.17 have instead of EndpointSlices (KEP-752).

import type { EndpointAddress, Endpoints } from "./objects.ts";
import { list, type Reading, record, required, text, unread, wholeNumber } from "./readers.ts";
import type { ReadMeta } from "./trim-meta.ts";

const SUBSETS_MAX = 1_000;
const ADDRESSES_MAX = 10_000;
const PORTS_MAX = 1_000;

const readAddress = record({
  ip: required(text(""), "the endpoint's address"),
  nodeName: text(null),
  hostname: unread,
  targetRef: unread,
});
const readPort = record({
  name: text(""),
  protocol: text("TCP"),
  port: required(wholeNumber(1, 65_535), "the port's number"),
  appProtocol: unread,
});
const readFields = record({
  apiVersion: unread,
  kind: unread,
  metadata: unread,
  subsets: list(
    record({
      addresses: list(readAddress, ADDRESSES_MAX),
      notReadyAddresses: list(readAddress, ADDRESSES_MAX),
      ports: list(readPort, PORTS_MAX),
    }),
    SUBSETS_MAX,
  ),
});

/** Reads the endpoints of the Service that has the same name. */
export function readEndpoints(raw: unknown, { meta }: ReadMeta, reading: Reading): Endpoints {
  const { subsets } = readFields(raw, "", reading);
  return {
    kind: "Endpoints",
    meta: { ...meta, annotations: {} },
    subsets: subsets.map(({ addresses, notReadyAddresses, ports }) => ({
      ready: addresses.map(addressOf),
      notReady: notReadyAddresses.map(addressOf),
      ports: ports.map(({ name, port, protocol }) => ({ name, port: port ?? 0, protocol })),
    })),
  };
}

function addressOf({ ip, nodeName }: ReturnType<typeof readAddress>): EndpointAddress {
  return { address: ip, nodeName };
}
