// The types of what the page uses of tus-js-client. Its own ones need those of Node.js.

export interface HttpRequest {
  getMethod(): string;
  setHeader(name: string, value: string): void;
}

export interface HttpResponse {
  getStatus(): number;
  getHeader(name: string): string | undefined;
  getBody(): string;
}

export class DetailedError extends Error {
  originalRequest: HttpRequest;
  originalResponse: HttpResponse | null;
}

export interface FileSource {
  size: number;
  slice(start: number, end: number): Promise<{ value: Blob; done: boolean }>;
  close(): void;
}

export interface FileReader {
  openFile(file: File): Promise<FileSource>;
}

export interface UploadOptions {
  endpoint?: string;
  uploadUrl?: string;
  metadata?: Record<string, string>;
  headers?: Record<string, string>;
  /** In milliseconds. */
  retryDelays?: number[];
  storeFingerprintForResuming?: boolean;
  fileReader?: FileReader;
  onBeforeRequest?: (request: HttpRequest) => void;
  onUploadUrlAvailable?: () => void;
  onProgress?: (sentBytes: number, totalBytes: number) => void;
  onShouldRetry?: (error: DetailedError) => boolean;
  onSuccess?: (payload: { lastResponse: HttpResponse }) => void;
  onError?: (error: Error | DetailedError) => void;
}

export class Upload {
  constructor(file: File, options: UploadOptions);

  static terminate(url: string, options?: UploadOptions): Promise<void>;

  options: UploadOptions;

  url: string | null;

  start(): void;

  abort(shouldTerminate?: boolean): Promise<void>;
}
