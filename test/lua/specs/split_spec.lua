local filter = require("headgate.filters.split")

-- Lua patterns in place of PCRE.
local regex = {
    compiled = function(pattern)
        if pattern == "(?-i)(" then
            return nil, "missing )"
        end
        return { pattern = pattern:sub(6) }
    end,
    test = function(handle, subject)
        if handle.pattern == "gives up" then
            return false, "gave up"
        end
        return subject:find(handle.pattern) ~= nil
    end,
}

local function choice(change)
    local value = {
        backend = "shop/next/80", ingress = "canary", service = "next", profile = "http",
        variant = "", tls_name = "", balance = { kind = "balance", by = "round_robin" },
        header = "", value = "", pattern = "", cookie = "", weight = 0, total = 100,
    }
    for name, field in pairs(change or {}) do
        value[name] = field
    end
    return value
end

local function made(...)
    local choices = {}
    for i, change in ipairs({ ... }) do
        choices[i] = choice(change)
    end
    return filter.new({ kind = "split", choices = choices }, regex)
end

local function says(change, header, cookie)
    local split = made(change)
    local wanted, why = filter.said(split, split.choices[1], header, cookie)
    return { wanted, why }
end

describe("what a request says of a choice", function()
    it("is always or never, the header before the cookie", function()
        local both = { header = "X-Canary", cookie = "canary" }
        assert.same({ true, "header" }, says(both, "always", "never"))
        assert.same({ false, "header" }, says(both, "never", "always"))
        assert.same({ true, "cookie" }, says(both, "1", "always"))
        assert.same({ false, "cookie" }, says(both, nil, "never"))
        assert.same({}, says(both, "ALWAYS", ""))
        assert.same({}, says(both, nil, nil))
    end)

    it("is the value of a header or a pattern, where one is asked for", function()
        local value = { header = "X", value = "always", cookie = "c" }
        assert.same({ true, "header" }, says(value, "always"))
        assert.same({}, says(value, "never"))
        assert.same({ true, "cookie" }, says(value, "never", "always"))
        local pattern = { header = "X", pattern = "^eu" }
        assert.same({ true, "header" }, says(pattern, "eu-west"))
        assert.same({}, says(pattern, "always"))
        assert.same({}, says({ header = "X", value = "a", pattern = "b" }, "b"))
    end)

    it("is nothing where a pattern gives up, and where the header is too long", function()
        assert.same({}, says({ header = "X", pattern = "gives up" }, "x"))
        assert.same({}, says({ header = "X", pattern = "^a" }, ("a"):rep(4097)))
        assert.same({ true, "header" }, says({ header = "X", pattern = "^a" }, ("a"):rep(4096)))
    end)
end)

describe("a split", function()
    it("gives each choice its part of the draws, and cuts off what is more than all", function()
        local split = made({ weight = 60 }, { weight = 5, total = 10 }, { weight = 1 })
        local parts = {}
        for i, one in ipairs(split.choices) do
            parts[i] = { one.from, math.floor(one.share * 100 + 0.5) / 100 }
        end
        assert.same({ { 0, 0.6 }, { 0.6, 0.4 }, { 1, 0 } }, parts)
    end)

    it("names the variables of nginx once", function()
        local one = made({ header = "X-Canary-By", cookie = "Canary.user" }).choices[1]
        assert.equal("x-canary-by", one.header)
        assert.equal("http_x_canary_by", one.header_variable)
        assert.equal("cookie_Canary.user", one.cookie_variable)
    end)

    it("keeps a choice out whose pattern cannot be compiled", function()
        local one = made({ header = "X", pattern = "(" }).choices[1]
        assert.equal("missing )", one.broken)
        assert.is_nil(one.pattern)
    end)
end)
