local links = require("headgate.filters.links")

local function rules(...)
    local made = {}
    for _, value in ipairs({ ... }) do
        links.add(made, value)
    end
    return made
end

describe("locations", function()
    local made = rules({
        kind = "location", from = "http://web/", to = { "$scheme", "://", "$host", "/x/" },
    })
    local var = { scheme = "https", host = "a.example" }

    it("are changed where they begin so", function()
        assert.equal("https://a.example/x/b?c",
            links.location(made.location, "http://web/b?c", var))
        assert.is_nil(links.location(made.location, "http://web", var))
        assert.is_nil(links.location(made.location, "/http://web/", var))
    end)
end)

describe("cookies", function()
    local made = rules(
        { kind = "cookie_domain", from = ".Web.internal", to = "a.example" },
        { kind = "cookie_path", from = "/app/", to = "/" }
    )

    it("have another domain and path, and all else as it was", function()
        assert.equal("a=b; Path=/x; HttpOnly; DOMAIN = a.example; Secure",
            links.cookies(made, "a=b; Path=/app/x; HttpOnly; DOMAIN = a.example; Secure"))
        assert.equal("a=b;domain=a.example", links.cookies(made, "a=b;domain=.WEB.INTERNAL"))
        assert.equal("a=b; domain=x.web.internal; path=/other",
            links.cookies(made, "a=b; domain=x.web.internal; path=/other"))
    end)

    it("are never changed in their value", function()
        assert.equal("path=/app/x", links.cookies(made, "path=/app/x"))
        assert.equal("domain=web.internal; Path=/",
            links.cookies(made, "domain=web.internal; Path=/app/"))
        assert.equal("a=%1%%; Path=/%1", links.cookies(made, "a=%1%%; Path=/app/%1"))
    end)

    it("may be several", function()
        assert.same({ "a=b; Path=/", "c=d" }, links.cookies(made, { "a=b; Path=/app/", "c=d" }))
    end)
end)
