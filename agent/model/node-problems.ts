// What is wrong with Nodes as places where endpoints are asked. Said once, not for each Service that is asked there.

import type { Node } from "../objects/objects.ts";
import { printable } from "../objects/readers.ts";
import { type AddressFilter, addressFilter, REFUSED_FIX } from "./address-filter.ts";
import { parseAddress } from "./addresses.ts";
import type { Problem } from "./edge-model.ts";
import { servicesAtNodes } from "./endpoints-mode.ts";
import type { ModelInput, ModelSettings } from "./input.ts";
import { problemAt, problemOf } from "./problems.ts";

/** Nothing while no Service in use is asked at its node port. */
export function nodeProblems(input: ModelInput, settings: ModelSettings): readonly Problem[] {
  const atNodes = servicesAtNodes(input, settings);
  if (atNodes.length === 0) return [];
  const nodes = input.nodes();
  if (nodes === null) return [nodesUnknown(atNodes.toSorted())];
  const allowed = addressFilter(settings);
  return nodes.filter(({ ready, excluded }) => ready && !excluded).flatMap((node) => refusedAddresses(node, allowed));
}

function nodesUnknown(services: readonly string[]): Problem {
  const [first = "", ...more] = services;
  const others = more.length === 0 ? "" : ` and ${more.length} more`;
  return problemAt(null, "", {
    code: "nodes-unknown",
    severity: "warning",
    field: "",
    message: `Service ${first}${others} is to be asked at its node port, but Nodes were not read yet: until then its Pods are asked`,
    fix: "look for a condition about nodes in `headgate status`: reading them takes list and watch on nodes",
    hosts: [],
  });
}

function refusedAddresses(node: Node, allowed: AddressFilter): readonly Problem[] {
  const refused = node.addresses.flatMap((text) => {
    const address = parseAddress(text);
    const why = address === null ? "is no IP address" : allowed(address);
    return why === null ? [] : [`${printable(text, 60)} ${why}`];
  });
  const [first, ...more] = refused;
  if (first === undefined) return [];
  return [
    problemOf(node, {
      code: "endpoint-refused",
      severity: "warning",
      field: "status.addresses",
      message: `${first} and gets no requests${more.length === 0 ? "" : ` (and ${more.length} more of this Node)`}`,
      fix: REFUSED_FIX,
      hosts: [],
    }),
  ];
}
