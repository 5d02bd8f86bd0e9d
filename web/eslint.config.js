// The lint rules: TypeScript's strict set with types, Lit's correctness rules, Lit's accessibility rules.
import js from "@eslint/js";
import lit from "eslint-plugin-lit";
import litA11y from "eslint-plugin-lit-a11y";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "node_modules", "src/api/schema.ts"] },
  js.configs.recommended,
  {
    files: ["src/**/*.ts", "vite.config.ts"],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { lit, "lit-a11y": litA11y },
    rules: {
      ...lit.configs["flat/all"].rules,
      ...litA11y.configs.recommended.rules,
      // It takes a handler in the template for an assignment while rendering.
      "lit/no-this-assign-in-render": "off",
      // "" and 0 are what absent means in proto3 JSON, so `a ? a : b` is often the point.
      "@typescript-eslint/prefer-nullish-coalescing": ["error", { ignorePrimitives: { string: true, number: true }, ignoreTernaryTests: true }],
      // Arrow functions in templates are how a row's handler knows its row.
      "lit/no-template-arrow": "off",
      "lit/no-template-map": "off",
      // A value like undefined is the wish to have no property set; `nothing` is used for attributes.
      "lit/ban-attributes": "off",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/unbound-method": "off",
      "@typescript-eslint/no-non-null-assertion": "error",
    },
  },
  {
    // Tests assert on shapes they have just made.
    files: ["src/**/*.test.ts"],
    rules: { "@typescript-eslint/no-non-null-assertion": "off" },
  },
  {
    files: ["public/*.js"],
    languageOptions: { globals: { console: "readonly", document: "readonly", localStorage: "readonly" } },
  },
  {
    files: ["dev/**/*.mjs", "eslint.config.js"],
    languageOptions: {
      globals: {
        process: "readonly", console: "readonly", URL: "readonly", setTimeout: "readonly", setInterval: "readonly",
        clearInterval: "readonly", fetch: "readonly",
      },
    },
  },
);
