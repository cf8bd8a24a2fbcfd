local filters = require("headgate.filters")
local guards = require("headgate.guards")
local networks = require("headgate.networks")

local HERE = { kind = "access", allow = { { "127.0.0.0/8" } }, deny = {} }
local ELSEWHERE = { kind = "access", allow = { { "192.0.2.0/24" } }, deny = {} }

local function from(address, as)
    return { client = address and networks.address(address), as = as }
end

-- A guard that says what it was asked, and refuses where it is told to.
local function spy(said, name, status)
    return {
        judge = function()
            said[#said + 1] = name
            return status, status and name, status and { ["X-By"] = name }
        end,
    }
end

describe("guards", function()
    it("are judged in one order, those that ask for credentials apart", function()
        local said, held = {}, {}
        for _, kind in ipairs({
            "external_auth", "request_limit", "basic_auth", "connection_limit", "access",
        }) do
            guards.add(held, kind, spy(said, kind))
        end
        assert.is_nil((guards.judge(held.guards, {})))
        assert.same({ "access", "connection_limit", "request_limit" }, said)
        assert.is_nil((guards.judge(held.asking, {})))
        assert.same({ "basic_auth", "external_auth" }, { said[4], said[5] })
    end)

    it("end with the first that refuses", function()
        local said, held = {}, {}
        guards.add(held, "request_limit", spy(said, "limit", 503))
        guards.add(held, "access", spy(said, "access", 403))
        local status, reason, headers = guards.judge(held.guards, {})
        assert.equal(403, status)
        assert.equal("access", reason)
        assert.same({ ["X-By"] = "access" }, headers)
        assert.same({ "access" }, said)
    end)

    it("let nobody in where one fails", function()
        local held = {}
        guards.add(held, "access", { judge = function() error("out of order") end })
        local status, reason = guards.judge(held.guards, {})
        assert.equal(503, status)
        assert.matches("out of order", reason)
    end)

    it("by address are all passed, and left out where explain knows no address", function()
        local both = filters.compile({ HERE, ELSEWHERE }, {})
        local here = filters.compile({ HERE }, {})
        assert.is_nil((guards.judge(here.guards, from("127.0.0.1"))))
        assert.equal(403, (guards.judge(both.guards, from("127.0.0.1"))))
        assert.equal(403, (guards.judge(here.guards, from(nil))))
        assert.equal(403, (guards.judge(here.guards, { client = false, as = {} })))
        assert.is_nil((guards.judge(here.guards, from(nil, {}))))
        local note = guards.note(both, from(nil, {}))
        assert.equal("guards by address are left out: give client", note)
        assert.is_nil(guards.note(both, from("127.0.0.1", {})))
    end)
end)
