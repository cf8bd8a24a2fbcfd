// Which addresses must not get requests here.

import { type Address, isWithin, localReason, parseAddress } from "./addresses.ts";
import type { ModelSettings } from "./input.ts";

/** Why an address must not get requests, or null. */
export type AddressFilter = (address: Address) => string | null;

/** That of this edge: this machine's own addresses, and networks that the configuration refuses. */
export function addressFilter(settings: ModelSettings): AddressFilter {
  const { refusedNetworks } = settings;
  const own = new Set(settings.hostAddresses.map((text) => parseAddress(text)?.text));
  const local: AddressFilter = settings.allowLocalEndpoints
    ? () => null
    : (address) => localReason(address) ?? (own.has(address.text) ? "is an address of this machine" : null);
  return (address) => {
    const refused = refusedNetworks.find((network) => isWithin(network, address));
    return refused === undefined ? local(address) : `is in ${refused}, which endpoints.refused names,`;
  };
}

/** What to do about it. */
export const REFUSED_FIX =
  "use addresses of Pods or of other machines, or allow this one: `endpoints.allowLocal` and `endpoints.refused` of the configuration decide";
