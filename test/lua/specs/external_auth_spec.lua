local answers = require("headgate.auth.answer")
local cache = require("headgate.auth.cache")
local limits = require("headgate.limits")
local outcomes = require("headgate.auth.outcomes")
local parts = require("headgate.parts")
local wire = require("headgate.auth.wire")

-- A source that gives these pieces, and then says that the connection is closed.
local function source(...)
    local pieces, at = { ... }, 0
    return function()
        at = at + 1
        if pieces[at] then
            return pieces[at]
        end
        return nil, "closed"
    end
end

describe("an answer", function()
    it("is kept apart from what follows it", function()
        local answer = answers.read(source("HTTP/1.1 200 OK\r\nA: 1\r\na:  2 \r\n",
            "Content-Length: 2\r\n\r\no", "k"), "GET")
        assert.same({ status = 200, body = "ok", keep = true, headers = {
            a = { "1", "2" }, ["content-length"] = { "2" },
        } }, answer)
        answer = answers.read(source("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx"), "GET")
        assert.equal(200, answer.status)
        assert.is_false(answer.keep)
    end)

    it("keeps the connection where both sides may", function()
        local function keep(head, method)
            return answers.read(source(head .. "\r\n"), method or "GET").keep
        end
        assert.is_true(keep("HTTP/1.1 204 No\r\n"))
        assert.is_true(keep("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "HEAD"))
        assert.is_false(keep("HTTP/1.1 200 OK\r\n"))
        assert.is_false(keep("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n"))
        assert.is_false(keep("HTTP/1.1 204 No\r\nConnection: x, Close\r\n"))
    end)

    it("has chunks in any pieces", function()
        local text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
            .. "A;x=y\r\n0123456789\r\n1\r\nx\r\n0\r\nT: 1\r\n\r\n"
        for size = 1, #text do
            local pieces = {}
            for at = 1, #text, size do
                pieces[#pieces + 1] = text:sub(at, at + size - 1)
            end
            local answer = answers.read(source(unpack(pieces)), "GET")
            assert.equal("0123456789x", answer.body)
            assert.is_true(answer.keep)
        end
    end)

    it("is not read further than a limit", function()
        local long = ("x"):rep(limits.auth_body_bytes_max + 1)
        local answer = answers.read(source("HTTP/1.1 200 OK\r\n\r\n", long), "GET")
        assert.is_nil(answer.body)
        assert.is_false(answer.keep)
        local function err(...)
            return select(2, answers.read(source(...), "GET"))
        end
        assert.equal("headers too long", err("HTTP/1.1 200 OK\r\nA: " .. long .. "\r\n\r\n"))
        assert.equal("bad header", err("HTTP/1.1 200 OK\r\n" .. ("A: 1\r\n"):rep(201) .. "\r\n"))
        assert.equal("too many interim answers", err(("HTTP/1.1 100 Go\r\n\r\n"):rep(9)))
    end)

    it("tells why it is none", function()
        local function err(text)
            return select(2, answers.read(source(text), "GET"))
        end
        assert.equal("closed", err(""))
        assert.equal("no HTTP/1", err("SSH-2.0-x\r\n"))
        assert.equal("bad status line", err("HTTP/1.1 2x0 OK\r\n\r\n"))
        assert.equal("bad header", err("HTTP/1.1 200 OK\r\nA : 1\r\n\r\n"))
        assert.equal("switches protocols", err("HTTP/1.1 101 No\r\n\r\n"))
        assert.equal("no telling where it ends",
            err("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"))
        assert.equal("bad chunk", err("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"))
    end)
end)

describe("a request to a service", function()
    local function lines(own, client)
        local text = wire.request({ method = "GET", target = "/a", host = "h" }, own, client)
        assert.equal("GET /a HTTP/1.1\r\nHost: h\r\n", text:sub(1, 26))
        assert.equal("\r\n\r\n", text:sub(-4))
        local found = {}
        for line in text:sub(27, -3):gmatch("(.-)\r\n") do
            found[#found + 1] = line
        end
        table.sort(found)
        return found
    end

    it("has the client's headers but those of its connection and ours", function()
        assert.same({ "Cookie: a", "X-A: 1", "X-A: 2", "X-Own: 1" }, lines(
            { { "X-Own", "1" }, { "X-None", "" } },
            {
                Cookie = "a", ["X-A"] = { "1", "2" }, ["X-Own"] = "9", x_own = "9",
                ["x-none"] = "9", Connection = "X-Hop, close", ["X-Hop"] = "1", Host = "evil",
                ["X-Forwarded-For"] = "evil", x_forwarded_for = "evil", Range = "bytes=0-0",
                ["Content-Length"] = "7", ["Transfer-Encoding"] = "chunked", Upgrade = "x",
                ["X-Original-URL"] = "evil", Expect = "100-continue", ["If-None-Match"] = "x",
            }))
    end)

    it("is not made of what would end a line", function()
        for _, bad in ipairs({ "a\r\nX: 1", "a\nb", "a\rb", "a\0b" }) do
            assert.has_error(function() lines({ { "X-A", bad } }, {}) end)
            assert.has_error(function() lines({}, { ["X-A"] = bad }) end)
        end
        assert.has_error(function() lines({}, { ["X A"] = "1" }) end)
        for _, target in ipairs({ "/a b", "/a\r\n", "/\195\169" }) do
            assert.has_error(function()
                wire.request({ method = "GET", target = target, host = "h" }, {}, {})
            end)
        end
    end)

    it("says that it has no body where it could have one", function()
        local text = wire.request({ method = "POST", target = "/", host = "h" }, {}, {})
        assert.equal("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", text)
    end)

    it("has a target in which variables are text", function()
        local values = { request_uri = "/p?q#f", cookie_a = "x&y=1#/:@?+;%41 \r\n", args = "" }
        local function target(...)
            return wire.target(parts.new({ ... }), function(name) return values[name] or "" end)
        end
        assert.equal("/p?q%23f", target("$request_uri"))
        assert.equal("/a?c=x%26y=1%23%2F%3A%40%3F%2B%3B%2541%20%0D%0A",
            target("/a?c=", "$cookie_a"))
        assert.equal("/", target("$args"))
        assert.equal("/x", target("x"))
    end)

    it("leads back from where one signs in", function()
        assert.equal("https://s/?rd=http%3A%2F%2Fa%2F%3Fb%26c",
            wire.sign_in("https://s/", "rd", "http://a/?b&c"))
        assert.equal("https://s/?a&rd=x#f", wire.sign_in("https://s/?a#f", "rd", "x"))
        assert.equal("https://s/?rd=1", wire.sign_in("https://s/?rd=1", "", "x"))
    end)
end)

describe("what services said", function()
    before_each(cache.clear)

    it("is held for its time, under its whole key", function()
        cache.set("a", { 1 }, 10, 5)
        assert.same({ 1 }, cache.get("a", 4.9))
        assert.is_nil(cache.get("a", 5))
        assert.is_nil(cache.get("a\0", 1))
        assert.is_nil(cache.get("", 1))
    end)

    it("is bounded by entries and by bytes, and what is asked for stays", function()
        cache.set("kept", {}, 10, 1e9)
        for i = 1, 5 * limits.auth_cache_entries_max do
            cache.set("key " .. i, {}, 10, 1e9)
            cache.get("kept", 0)
            assert.is_true(cache.held() <= limits.auth_cache_entries_max)
        end
        assert.is_table(cache.get("kept", 0))
        assert.is_nil(cache.get("key 1", 0))
        cache.clear()
        for i = 1, 2000 do
            cache.set("key " .. i, {}, 8000, 1e9)
        end
        local entries, bytes = cache.held()
        assert.is_true(entries > 100 and bytes <= limits.auth_cache_bytes_max)
        cache.set("large", {}, limits.auth_cache_entry_bytes_max, 1e9)
        assert.is_nil(cache.get("large", 0))
    end)

    it("is counted once", function()
        local added = {}
        local function add(key, amount) added[key] = amount end
        outcomes.count("h:1", "allowed")
        outcomes.count("h:1", "allowed")
        outcomes.count("$host", "error")
        outcomes.flush(add)
        assert.same({ ["auth allowed h:1"] = 2, ["auth error $host"] = 1 }, added)
        added = {}
        outcomes.flush(add)
        assert.same({}, added)
        assert.equal('headgate_external_auth_total{host="[::1]:80",outcome="denied"} 7',
            outcomes.line("auth denied [::1]:80", 7))
        assert.is_nil(outcomes.line("requests 2 a/b/c", 7))
    end)
end)
