import js from '@eslint/js';
import rxjs from 'eslint-plugin-rxjs-x';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  { ignores: ['dist', '.build', 'bench/results'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked, rxjs.configs.strict],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `array[i]` is `T | undefined` here; where the bounds are known, `as T` says so without a check on the hot path.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      // An error that is passed on is of whatever kind it was thrown.
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      'rxjs-x/throw-error': ['error', { allowThrowingAny: false, allowThrowingUnknown: true }],
      // `takeUntil` directly after a source is its graceful stop: what is in flight flows through the operators below.
      'rxjs-x/no-unsafe-takeuntil': 'off',
      // A name ends in `$` if and only if it is an Observable that is kept; those that a function takes or gives have ordinary names.
      'rxjs-x/finnish': [
        'error',
        { functions: false, methods: false, parameters: false, objects: false, properties: false, variables: true, strict: false },
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    // When a process ends is for whoever runs it.
    rules: { 'no-restricted-properties': ['error', { object: 'process', property: 'exit' }] },
  },
);
