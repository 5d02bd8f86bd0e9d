// Where the dashboard begins.
import "./styles/base.css";
import { registerIconLibrary } from "@awesome.me/webawesome/dist/components/icon/library.js";

import "./app";
import { listenToLinks } from "./router";

// Web Awesome would fetch its icons from a CDN; its few own ones come from public/icons.
for (const library of ["default", "system"]) registerIconLibrary(library, { resolver: (name) => `/icons/${name}.svg` });
listenToLinks();
