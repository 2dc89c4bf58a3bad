// What the console's pages load, made of packages and of src/: one script, one style, one sheet of icons, the fonts.
// The result is static/build in the package, which git does not keep. Everything has a .gz beside it, so that the
// server compresses nothing. usage: node build.mjs

import { build } from "esbuild";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const into = join(here, "../src/angarium/web/static/build");

const icon = async (name) => {
  const svg = await readFile(join(here, `node_modules/@tabler/icons/icons/outline/${name}.svg`), "utf8").catch(() => {
    throw new Error(`icons.txt: there is no icon ${name}; see the names at tabler.io/icons`);
  });
  return `<symbol id="${name}" viewBox="0 0 24 24">${svg.slice(svg.indexOf(">") + 1, svg.lastIndexOf("</svg>")).trim()}</symbol>`;
};

const listed = (text) => text.split("\n").map((line) => line.trim()).filter((line) => line && !line.startsWith("#"));

await rm(into, { recursive: true, force: true });
await mkdir(into, { recursive: true });
await build({
  entryPoints: { app: join(here, "src/app.js"), look: join(here, "src/look.js"), "app-style": join(here, "src/app.css") },
  outdir: into,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022"],
  legalComments: "none",
  assetNames: "[name]-[hash]",
  loader: { ".woff2": "file" },
});
const names = [...new Set(listed(await readFile(join(here, "icons.txt"), "utf8")))].sort();
const symbols = await Promise.all(names.map(icon));
await writeFile(join(into, "icons.svg"), `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`);
for (const name of await readdir(into)) {
  if (!/\.(css|js|svg)$/.test(name)) continue;
  await writeFile(join(into, `${name}.gz`), gzipSync(await readFile(join(into, name)), { level: 9 }));
}
