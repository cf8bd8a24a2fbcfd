import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decideRequest } from "../../../agent/model/match.ts";
import { buildModel, HTTPS_REDIRECTS, loadRoutingCases, requestOf, restrictingCase } from "../../routing/cases.ts";
import { claimText } from "./objects.ts";

const REQUESTS_MIN = 100;

describe("routing cases, by the model", () => {
  const cases = [...loadRoutingCases(), restrictingCase()];

  for (const routingCase of cases) {
    test(`${routingCase.file}: ${routingCase.name}`, () => {
      const model = buildModel(routingCase, { address: "10.0.0.1", port: 8080 });
      for (const { url, expect, client = null, headers = {} } of routingCase.requests) {
        const { match, status, reason, location, rewritten, chosen } = decideRequest(
          model,
          { ...requestOf(url), client, headers },
          HTTPS_REDIRECTS,
        );
        const route = match.outcome.kind === "route" ? match.outcome.route : null;
        const ingress = route?.ingress.kind === "Ingress" ? `${route.ingress.namespace}/${route.ingress.name}` : null;
        assert.equal(status, expect.status, `${url}: ${reason}`);
        if (expect.ingress !== undefined) assert.equal(ingress, expect.ingress, url);
        if (expect.service !== undefined) assert.equal(chosen?.backend, expect.service, url);
        if (expect.location !== undefined) assert.equal(location, expect.location, url);
        if (expect.sent !== undefined) {
          assert.equal(rewritten, decodeURIComponent(expect.sent.split("?")[0] ?? ""), url);
        }
        if (expect.path !== undefined) assert.equal(route?.path, expect.path, url);
        const winners = match.candidates.filter(({ lost }) => lost === null).map((candidate) => claimText(candidate));
        assert.deepEqual(winners, route === null ? [] : [claimText(route)], `${url}: the candidate that did not lose`);
      }
    });
  }

  test("there are as many cases as were written", () => {
    const requests = cases.reduce((sum, { requests: all }) => sum + all.length, 0);
    assert.ok(requests >= REQUESTS_MIN, `${requests} requests`);
  });
});
