local filters = require("headgate.filters")
local guards = require("headgate.guards")
local satisfy = require("headgate.guards.satisfy")
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
            "external_auth", "basic_auth", "limit", "access",
        }) do
            guards.add(held, kind, spy(said, kind))
        end
        assert.is_nil((guards.judge(held.guards, {})))
        assert.same({ "access", "limit" }, said)
        assert.is_nil((guards.judge(held.asking, {})))
        assert.same({ "basic_auth", "external_auth" }, { said[3], said[4] })
    end)

    it("end with the first that refuses", function()
        local said, held = {}, {}
        guards.add(held, "limit", spy(said, "limit", 503))
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

describe("guards of which one is enough", function()
    local asked

    local function list(allows, passes)
        return {
            allow = allows and { {} } or {},
            judge = function() if not passes then return 403, "not on it" end end,
        }
    end

    local function asks(name, status)
        return {
            judge = function()
                asked[#asked + 1] = name
                return status, name, status and { By = name }
            end,
            note = function() return "would ask " .. name end,
        }
    end

    local function word(lists, asking)
        asked = {}
        local held = {}
        for _, guard in ipairs(lists) do
            guards.add(held, "access", guard)
        end
        for i, guard in ipairs(asking) do
            guards.add(held, i == 1 and "basic_auth" or "external_auth", guard)
        end
        satisfy.any(held)
        if held.guards then
            local status = guards.judge(held.guards, { client = "c" })
            if status then
                return status
            end
        end
        if held.asking then
            return guards.judge(held.asking, { client = "c" })
        end
    end

    it("let in whom a list allows, and ask nobody", function()
        assert.is_nil((word({ list(true, true) }, { asks("a", 401), asks("b", 503) })))
        assert.same({}, asked)
        assert.is_nil((word({ list(true, true), list(false, true) }, { asks("a", 401) })))
        assert.same({}, asked)
    end)

    it("ask whom no list allows, until one lets the request in", function()
        assert.is_nil((word({ list(true, false) }, { asks("a", nil), asks("b", 403) })))
        assert.same({ "a" }, asked)
        assert.is_nil((word({ list(true, false) }, { asks("a", 401), asks("b", nil) })))
        assert.same({ "a", "b" }, asked)
        assert.is_nil((word({ list(false, false) }, { asks("a", nil) })))
        assert.equal(401, (word({ list(false, true) }, { asks("a", 401) })))
        assert.equal(401, (word({}, { asks("a", 401), asks("b", 403) })))
    end)

    it("say how to get in, but first that something cannot be judged", function()
        local function both(a, b)
            local status, reason, headers = word({ list(true, false) },
                { asks("a", a), asks("b", b) })
            return { status, reason, headers.By }
        end
        assert.same({ 401, "a", "a" }, both(401, 403))
        assert.same({ 302, "b", "b" }, both(403, 302))
        assert.same({ 503, "b", "b" }, both(401, 503))
        assert.same({ 503, "a", "a" }, both(503, 401))
        assert.same({ 403, "a", "a" }, both(403, 403))
    end)

    it("tell those that are not asked", function()
        local held, skipped = {}, {}
        local function skip(guard, request) skipped[#skipped + 1] = { guard.name, request } end
        guards.add(held, "access", list(true, true))
        guards.add(held, "external_auth", { name = "a", judge = error, skip = skip })
        satisfy.any(held)
        local request = { client = "c" }
        assert.is_nil((guards.judge(held.asking, request)))
        assert.same({ { "a", request } }, skipped)
        held, skipped = {}, {}
        guards.add(held, "basic_auth", asks("b", nil))
        guards.add(held, "external_auth", { name = "a", judge = error, skip = skip })
        satisfy.any(held)
        asked = {}
        assert.is_nil((guards.judge(held.asking, request)))
        assert.same({ { "a", request } }, skipped)
    end)

    it("are all of them where nobody asks, and one that fails lets nobody in", function()
        assert.equal(403, (word({ list(true, false), list(true, true) }, {})))
        assert.is_nil((word({ list(false, true) }, {})))
        local fails = { judge = function() error("broken") end }
        assert.equal(503, (word({ list(true, false) }, { asks("a", 401), fails })))
    end)

    it("tell explain whom they would ask", function()
        local held = {}
        guards.add(held, "access", list(true, true))
        guards.add(held, "external_auth", asks("a", nil))
        satisfy.any(held)
        assert.equal("would ask a, unless the address is on a list that allows",
            guards.note(held, { as = {} }))
    end)
end)
