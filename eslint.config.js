import js from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  {
    ignores: ["dist/", "build/", "node_modules/", "coverage/", "results/", "**/assembly/", "**/gen/"],
  },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ["*.js", "tools/*.mjs", "test/hosts/children/*.mjs"] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/consistent-type-definitions": "off",
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/prefer-for-of": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      eqeqeq: "error",
      "no-console": "error",
    },
  },
  {
    // Numeric code indexes typed arrays by computed, in-range positions on every line. `!` there is erased by the compiler
    // and costs nothing; a run-time check would halve the speed of the kernels.
    files: [
      "src/engines/**",
      "src/graph/**",
      "src/compress/**",
      "src/train/**",
      "src/stats/**",
      "src/data/**",
      "src/kernels/**",
      "src/formats/**",
      "test/**",
      "tools/**",
    ],
    rules: { "@typescript-eslint/no-non-null-assertion": "off" },
  },
  { files: ["src/cli/**", "tools/**", "src/hosts/*child*", "src/hosts/page/**"], rules: { "no-console": "off" } },
  { files: ["*.js", "tools/*.mjs", "test/hosts/children/*.mjs"], ...tseslint.configs.disableTypeChecked },
);
