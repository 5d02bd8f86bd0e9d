// How the dashboard is built: static files under dist/, hashed names under dist/assets/.
import { defineConfig } from "vite";

export default defineConfig({
  build: {
    target: "es2022",
    // A strict Content-Security-Policy refuses data: URLs and inline scripts, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  // `npx vite` works against a Cloudly that runs here (`make up`); `npm run dev` brings its own pretend API instead.
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
});
