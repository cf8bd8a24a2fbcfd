local affinity = require("headgate.filters.affinity")

local function pin(change)
    local value = {
        kind = "affinity", name = "route", mode = "balanced", salt = "s", path = "/app",
        domain = "", max_age_s = 0, expires_s = 0, same_site = "None",
        same_site_conditional = true, secure = "https", change_on_failure = false,
        canaries = "sticky",
    }
    for name, field in pairs(change or {}) do
        value[name] = field
    end
    assert.is_nil(affinity.check(value, "filter"))
    return affinity.new(value)
end

describe("the cookie of a session", function()
    it("has the attributes that are always the same ready", function()
        assert.equal("; Path=/app; HttpOnly", pin().fixed)
        assert.equal("; Path=/; HttpOnly; Domain=.a.example; Max-Age=100000000",
            pin({ path = "/", domain = ".a.example", max_age_s = 100000000 }).fixed)
        assert.equal("cookie_route", pin().variable)
    end)

    it("has a mark of its Service, which differs by salt and Service", function()
        local function digest(text)
            return (text:gsub("\n", "+")) .. ("0"):rep(32)
        end
        local base = {}
        local way = affinity.way(pin(), base, "a/b/80", digest)
        assert.equal("s+a/b/80", way.mark)
        assert.equal(base, way.base)
        assert.is_true(way.sticky)
        assert.is_nil(affinity.way(pin(), false, "a/b/80", digest).base)
        assert.equal("s+000000", affinity.way(pin(), nil, nil, digest).mark)
    end)
end)

describe("SameSite=None", function()
    local mozilla = "Mozilla/5.0 "
    local kit = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
    local misreading = {
        mozilla .. "(iPhone; CPU iPhone OS 12_2 like Mac OS X) " .. kit .. " Mobile/15E148",
        mozilla .. "(iPad; CPU OS 12_1_4 like Mac OS X) " .. kit .. " Version/12.0 Safari/604.1",
        mozilla .. "(Macintosh; Intel Mac OS X 10_14_6) " .. kit .. " Version/12.1 Safari/605.1.15",
        mozilla .. "(Macintosh; Intel Mac OS X 10_14_6) " .. kit,
        mozilla .. "(X11; Linux x86_64) AppleWebKit/537.36 Chrome/51.0.2704.79 Safari/537.36",
        mozilla .. "(X11; Linux x86_64) AppleWebKit/537.36 Chrome/66.0.3359.170 Safari/537.36",
        mozilla .. "(X11) AppleWebKit/537.36 Chromium/60.0.3112.78 Safari/537.36",
        mozilla .. "(Linux; U; Android 8) AppleWebKit/537.36 UCBrowser/12.13.1.1189 Mobile",
        mozilla .. "(Linux; U; Android 8) AppleWebKit/537.36 UCBrowser/11.5.0.1015 Mobile",
    }
    local reading = {
        mozilla .. "(iPhone; CPU iPhone OS 13_0 like Mac OS X) " .. kit .. " Mobile/15E148",
        mozilla .. "(Macintosh; Intel Mac OS X 10_15) " .. kit .. " Version/13.0 Safari/605.1.15",
        mozilla .. "(Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/537.36 (KHTML, like Gecko) "
            .. "Chrome/120.0.0.0 Safari/537.36",
        mozilla .. "(X11; Linux x86_64) AppleWebKit/537.36 Chrome/50.0.2661.102 Safari/537.36",
        mozilla .. "(X11; Linux x86_64) AppleWebKit/537.36 Chrome/67.0.3396.62 Safari/537.36",
        mozilla .. "(Linux; U; Android 8) AppleWebKit/537.36 UCBrowser/12.13.2.1005 Mobile",
        mozilla .. "(X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0",
        "",
    }

    it("is left out for those that misread it, where that is asked for", function()
        for _, agent in ipairs(misreading) do
            assert.is_nil(affinity.same_site_for(pin(), agent), agent)
            local plain = pin({ same_site_conditional = false })
            assert.equal("None", affinity.same_site_for(plain, agent))
            assert.equal("Lax", affinity.same_site_for(pin({ same_site = "Lax" }), agent))
        end
        for _, agent in ipairs(reading) do
            assert.equal("None", affinity.same_site_for(pin(), agent), agent)
        end
        assert.equal("None", affinity.same_site_for(pin(), nil))
        assert.equal("None", affinity.same_site_for(pin(), misreading[1] .. (" "):rep(1024)))
    end)

    it("is said only where something is said", function()
        assert.is_nil(affinity.same_site_for(pin({ same_site = "" }), nil))
    end)
end)
