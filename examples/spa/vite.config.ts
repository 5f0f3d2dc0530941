import react from "@vitejs/plugin-react";
import {defineConfig} from "vite";

export default defineConfig({
  plugins: [react()],
  resolve: {dedupe: ["react"]}, // gatepost/react uses this one, wherever the package lies
});
