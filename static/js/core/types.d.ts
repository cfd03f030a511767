// The types of the API under the names that this page uses. api-types.d.ts is generated from the OpenAPI document;
// only this file refers to it.

import type { components } from './api-types.d.ts';

type Schemas = components['schemas'];

/** The body of every error. */
export type ErrorBody = Schemas['Error'];
export type Health = Schemas['Health'];
export type Pagination = Schemas['Pagination'];

export type Product = Schemas['Product'];
export type Products = Schemas['ProductPage'];
export type ProductPagination = Schemas['ProductPagination'];
export type NewProduct = Schemas['NewProduct'];
/** A page of the changes of a product, the newest first. */
export type ProductHistory = Omit<Schemas['History'], 'history'> & { history: ProductHistoryChange[] };
/** A change of a product: who or what made it, and the values before and after. */
export type ProductHistoryChange = Omit<Schemas['ProductChange'], 'changes'> & {
  changes: { [field in 'sku' | 'name' | 'description' | 'active']?: [before: FieldValue, after: FieldValue] } | null;
};
export type FieldValue = string | boolean | null;
export type ProductChange = Schemas['ProductUpdate'];
/** What became of each of several edits. */
export type EditOutcomes = Schemas['EditOutcomes'];
export type ProductFilter = Schemas['ProductFilter'];
/** A saved view of the products. */
export type SavedView = Schemas['View'];
export type BulkChange = Schemas['BulkRequest'];
/** How many products a bulk change has changed, or would change. */
export type BulkCount = Schemas['BulkResult'];
/** What a bulk change changes. */
export type BulkDetails = Schemas['Bulk'];

/** An import, a bulk change or an undo, as lists and streams show it. */
export type ImportJob = Schemas['Import'];
/** An import, a bulk change or an undo with its options, file, notices, preview, log and samples. */
export type ImportDetail = Omit<Schemas['ImportDetails'], 'file' | 'notices' | 'preview'> & {
  file: ImportFile | null;
  notices: Notice[];
  preview: Preview | null;
};
export type Imports = Schemas['ImportPage'];
/** What an import that waits for its confirmation would do. */
export type PreviewCounts = Schemas['PreviewCounts'];
/** A job of a list. While it is watched, its newer versions lack the counts. */
export type ListedImport = ImportJob & { preview_counts?: PreviewCounts | null };
export type ImportOptions = Schemas['ImportOptions'];
/** A workbook has `sheets`, the names of its sheets. */
export type ImportFile = Schemas['ImportFile'];
/** What a person should know about a file. `fixes` are several ways to settle a notice. */
export type Notice = Omit<Schemas['Notice'], 'code' | 'samples' | 'fix' | 'fixes'> & {
  code: string;
  fix: NoticeFix | null;
  fixes: NoticeFix[];
  samples: NoticeSample[];
};
export type NoticeFix = Omit<Schemas['NoticeFix'], 'code'> & { code: string | null };
/** `readings` are the same bytes decoded in several encodings, by the encoding. */
export type NoticeSample = { text?: string; readings?: Record<string, string>; [key: string]: unknown };
export type FileColumn = Schemas['FileColumn'];
/** `missing` counts the products that the option of this name would deactivate or delete. */
export type Preview = Schemas['Preview'];
/** What an import would do to one product. */
export type PreviewChange = Schemas['PreviewChange'];
export type LogEntry = Schemas['LogEntry'];
/** How many rows a phase had processed after a number of seconds of working time. */
export type RateSample = Schemas['ProgressSample'];
/** A row of a check, and the product that it would create or change. */
export type CheckedRow = Schemas['CheckedRow'];
export type CheckedRows = Schemas['CheckedRowPage'];
/** A row whose values the import drops, because its SKU appears again further down. */
export type DuplicateRow = Schemas['Duplicate'];
export type DuplicateRows = Schemas['DuplicatePage'];
/** `cells` is null if the row cannot be split into cells. */
export type RejectedRow = Schemas['ListedReject'];
export type RejectedRows = Schemas['RejectedRowPage'];
/** The rejected rows with the same reason, column and value. */
export type RejectGroup = Schemas['RejectGroup'];
export type RejectGroups = Schemas['RejectGroupPage'];
/** A correction of the file of an import, which is made whenever the file is read. */
export type FileFix = Schemas['Fix'];
export type FileFixes = Schemas['FixList'];
/** What the undo of an import or of a bulk change would do. */
export type UndoPlan = Schemas['UndoPlan'];
/** The last undo of a job. */
export type LastUndo = Schemas['LastUndo'];
export type ImportedProduct = Schemas['AffectedProduct'];
export type ImportedProducts = Schemas['AffectedProductPage'];
export type RetryOptions = Schemas['RetryOptions'];
export type Uploaded = Schemas['AcceptedUpload'];

export type Webhook = Schemas['Webhook'];
export type NewWebhook = Schemas['NewWebhook'];
export type WebhookChange = Schemas['WebhookUpdate'];
export type WebhookHealth = Schemas['WebhookHealth'];
export type WebhookHour = Schemas['WebhookHour'];
/** The requests of a webhook in one hour, with their response times. */
export type ResponseHour = Schemas['ResponseHour'];
export type ResponseHours = Schemas['WebhookHours'];
export type EventType = Schemas['EventType'];
export type Delivery = Schemas['Delivery'];
/** What an event is about. */
export type DeliverySubject = Schemas['DeliverySubject'];
export type DeliveryDetail = Schemas['DeliveryDetails'];
export type Deliveries = Schemas['DeliveryPage'];
export type DeliveryAttempt = Schemas['DeliveryAttempt'];
export type TestResult = Schemas['WebhookTestResult'];
export type RotatedSecret = Schemas['RotatedSecret'];
export type RecoverRequest = Schemas['RecoveryRequest'];
export type RecoveredCount = Schemas['RecoveryResult'];
export type ResentCount = Schemas['ResendResult'];

/** Who makes a call, and what they may do. */
export type Who = Schemas['Who'];
export type User = Schemas['User'];
export type InvitedUser = Schemas['InvitedUser'];
export type LinkDetails = Schemas['LinkDetails'];
/** A link that can be used once: an invitation, or one for a new password. */
export type OneTimeLink = Schemas['LinkResult'];
export type Session = Schemas['Session'];
/** An entry of the audit log. `changes` has for each field its values before and after. */
export type AuditEntry = Schemas['AuditEntry'];
export type AuditPage = Schemas['AuditPage'];
export type ApiKey = Schemas['Key'];
export type CreatedApiKey = Schemas['NewKeyResult'];
